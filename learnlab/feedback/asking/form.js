// The quick form in the browser. Whatever comes from outside is set as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const MOUTHS = {
    excellent: "M6.5 13.5 Q12 21.5 17.5 13.5 Z",
    good: "M7 14.5 Q12 19 17 14.5",
    fair: "M7.5 16 L16.5 16",
    poor: "M7 17.5 Q12 12.5 17 17.5",
};
const PATIENCE = 15000;
let forms = 0;

function element(tag, given = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(given)) {
        if (name === "text") made.textContent = value;
        else if (name in made) made[name] = value;
        else made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
}

function face(kind) {
    const drawn = document.createElementNS(SVG, "svg");
    drawn.setAttribute("viewBox", "0 0 24 24");
    drawn.setAttribute("aria-hidden", "true");
    const draw = (tag, given) => {
        const part = document.createElementNS(SVG, tag);
        for (const [name, value] of Object.entries(given)) part.setAttribute(name, value);
        drawn.append(part);
    };
    draw("circle", { cx: 12, cy: 12, r: 10.5 });
    for (const cx of [8.5, 15.5]) draw("circle", { cx, cy: 9.5, r: 1.1, class: "ll-eye" });
    draw("path", { d: MOUTHS[kind] ?? MOUTHS.fair });
    return drawn;
}

// A group of radio buttons or boxes, each with its words; `read` gives what is chosen.
function group(legend, type, name, choices, { start = null, why = "" } = {}) {
    const inputs = choices.map(([value]) =>
        element("input", { type, name, value, checked: value === start }));
    const labels = choices.map(([, words, picture], at) =>
        element("label", {}, inputs[at], ...(picture ? [picture] : []), element("span", { text: words })));
    const reason = why ? [element("span", { className: "ll-why", text: ` ${why}` })] : [];
    const box = element("fieldset", {}, element("legend", {}, legend, ...reason), ...labels);
    return { box, inputs, read: () => inputs.filter((one) => one.checked).map((one) => one.value) };
}

function render({ model, el }) {
    const about = model.get("about");
    const id = `ll-rate-${++forms}`;
    const outside = { dir: "auto" };

    const faces = group("How satisfied are you?", "radio", `${id}-face`,
        about.faces.map((kind) => [kind, kind, face(kind)]));
    faces.box.className = "ll-faces";
    const issues = group("What was wrong? Choose at least one.", "checkbox", `${id}-issue`, about.issues);
    const commentWords = element("label", { htmlFor: `${id}-comment` });
    const comment = element("textarea", { id: `${id}-comment`, rows: 2, maxLength: about.max_comment });
    const limit = element("p", { id: `${id}-limit`, className: "ll-why", text: about.correction_limit });
    const correction = element("textarea",
        { id: `${id}-correction`, rows: 4, "aria-describedby": limit.id });
    const should = element("details", {},
        element("summary", { text: "Say what it should have been, if you like" }),
        element("div", { className: "ll-comment" },
            element("label", { htmlFor: correction.id, text: "What should it have been? (optional)" }), correction, limit));
    const questions = about.questions.map(([name, text, why]) => ({
        name,
        ...group(text, "radio", `${id}-${name}`, [["yes", "yes"], ["no", "no"], ["", "don’t know"]], { start: "", why }),
    }));
    const n = questions.length;
    const more = element("details", {},
        element("summary", { text: n === 1 ? "One more question, if you like" : `${n} more questions, if you like` }),
        ...questions.map((one) => one.box));
    const seen = group("Who may see it?", "radio", `${id}-seen`,
        about.visibilities.map(([value, words]) => [value, `${value}: ${words}`]), { start: "private" });
    seen.box.className = "ll-seen";
    const save = element("button", { type: "button", text: "Save", className: "ll-save" });
    const back = element("button", { type: "button", text: "Take back", hidden: true });
    const rest = element("div", { className: "ll-rest", hidden: true },
        issues.box, element("div", { className: "ll-comment" }, commentWords, comment),
        should, ...(n ? [more] : []), seen.box);
    const said = element("p", { className: "ll-said", role: "status" });
    const wrong = element("p", { className: "ll-wrong", role: "alert" });
    const who = element("p", { className: "ll-who" }, "You are ",
        element("b", { ...outside, text: about.author }), ", in the store ",
        element("span", { ...outside, text: about.store }), ". Private unless you choose otherwise.");
    const task = element("p", { ...outside, className: "ll-task", text: about.description });
    const root = element("section", { className: "ll-rate", "aria-label": "Rate an execution" },
        task,
        element("p", { ...outside, className: "ll-facts", text: about.facts }),
        ...(about.before ? [element("p", { className: "ll-facts", text: about.before })] : []),
        faces.box, rest, who, element("div", { className: "ll-buttons" }, save, back), said, wrong);

    const arrange = () => {
        const [kind] = faces.read();
        rest.hidden = !kind;
        issues.box.hidden = should.hidden = !about.low.includes(kind);
        const isNeeded = !issues.box.hidden && issues.read().includes("other");
        commentWords.textContent = isNeeded ? "What was it? (needed)" : "Anything to add? (optional)";
        comment.required = isNeeded;
    };

    // What is still missing, and where; what else may be wrong the kernel says.
    const missing = () => {
        if (!faces.read().length) return ["Choose a face first.", faces.inputs[0]];
        if (!issues.box.hidden && !issues.read().length) return ["Choose at least one thing that was wrong.", issues.inputs[0]];
        if (comment.required && !comment.value.trim()) return ["Say in a few words what it was.", comment];
        return null;
    };

    const answers = () => {
        const [satisfaction = null] = faces.read();
        const given = { satisfaction, visibility: seen.read()[0], comment: comment.value };
        given.issues = issues.box.hidden ? [] : issues.read();
        given.correction = should.hidden ? null : correction.value;
        for (const one of questions) given[one.name] = { yes: true, no: false }[one.read()[0]] ?? null;
        return given;
    };

    let waits = null;
    const busy = (isBusy) => {
        clearTimeout(waits);
        for (const button of [save, back]) button.setAttribute("aria-disabled", String(isBusy));
        root.setAttribute("aria-busy", String(isBusy));
        waits = isBusy ? setTimeout(() => {
            busy(false);
            said.textContent = "";
            wrong.textContent = "The kernel does not answer, so this may not be kept. Run the cell again, then save again.";
        }, PATIENCE) : null;
    };
    const ask = (message, words) => {
        if (root.getAttribute("aria-busy") === "true") return;
        wrong.textContent = "";
        said.textContent = words;
        busy(true);
        model.send(message);
    };

    const show = () => {
        const { kind = "", words = "", at, can_take_back: canTakeBack = false } = model.get("outcome");
        busy(false);
        const isWrong = kind === "refused";
        const time = at ? new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) : "";
        const starts = { saved: `Saved at ${time}: `, "taken back": `Taken back at ${time}: ` };
        said.textContent = isWrong || !kind ? "" : `${starts[kind]}${words}.`;
        wrong.textContent = isWrong ? words : "";
        if (!canTakeBack && document.activeElement === back) save.focus();
        back.hidden = !canTakeBack;
        save.textContent = canTakeBack ? "Save again" : "Save";
        root.dataset.kind = kind;
    };

    // JupyterLab takes keys for its commands unless the very element that has the focus says otherwise.
    root.addEventListener("focusin", (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true"));
    for (const kind of ["keydown", "keypress", "keyup"]) {
        root.addEventListener(kind, (event) => event.stopPropagation());
    }
    root.addEventListener("change", arrange);
    save.addEventListener("click", () => {
        const [words, where] = missing() ?? [];
        if (!where) return ask({ kind: "save", answers: answers() }, "Saving …");
        said.textContent = "";
        wrong.textContent = words;
        where.focus();
    });
    back.addEventListener("click", () => ask({ kind: "take back" }, "Taking it back …"));
    model.on("change:outcome", show);
    arrange();
    show();
    el.append(root);
    requestAnimationFrame(() => {
        if (task.scrollHeight > task.clientHeight) task.tabIndex = 0; // to scroll it by keyboard
    });
    return () => {
        clearTimeout(waits);
        model.off("change:outcome", show);
    };
}

export default { render };
