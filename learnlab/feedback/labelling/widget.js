// One item of a labelling queue at a time, answered by keys or by buttons. Python keeps the state; this shows it.
// Every text goes in as text, never as HTML. No key that is pressed in here reaches the notebook around it.

const HEARTBEAT = 20_000; // ms between two questions whether Python is still there
const SLOW = 1_500; // ms without an answer after which it is said that the kernel is busy
const PATIENCE = 10_000; // ms after which the connection is in doubt and the same answer may be given again
const SETTLE = 120; // ms in which a new item takes no answer: the second press of a bouncing key
const WIDE = 720; // px from which on similar executions stand beside the item, unfolded
const PIECE = 20_000; // characters of a long text that are laid out at a time

const GONE =
    "No longer connected to the kernel. Run the cell again: it goes on at the same item, and what was saved is safe.";
const DOUBT =
    "The kernel does not answer: it is busy, or it was restarted. What was not called saved is not saved. " +
    "Give the answer again, or run the cell again: it goes on at the same item.";
const MISSING = "Not answered yet: answer it, or skip the item with s.";
const LATE = "The item is not here yet: it comes as soon as the store can be read.";
const HELP = [
    ["1 … 9", "answer with the choice that bears the number; on a scale, from its one end to its other"],
    ["← and →", "on a scale: a little less, a little more"],
    ["Enter", "confirm, or go on to the next question"],
    ["Backspace or u", "take back what you did last, as often as you like"],
    ["s", "skip: others get the item, you do not get it again"],
    ["n", "write a note; Enter saves it, Shift+Enter begins a line, Escape leaves it"],
    ["v", "see the suggestion before you answer; it is remembered that you did"],
    ["?", "open and close this list"],
    ["Escape", "leave, back to the notebook; a click or Tab brings you in again"],
];

/** Make an element with properties or attributes and children; a string becomes text. */
function make(tag, given = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(given)) {
        if (value === undefined || value === null) continue;
        if (name in made) made[name] = value;
        else made.setAttribute(name, value);
    }
    made.append(...children.filter((child) => child !== null));
    return made;
}

/** Make an element for a text from outside: its direction is its own, and what surrounds it keeps its order. */
const foreign = (tag, className, text) => make(tag, { className: `lw-foreign ${className}`, dir: "auto" }, text);

const keycap = (key) => make("kbd", { ariaHidden: "true" }, key);

/** Cut a long text at line ends where it has any, so that only what is in sight is laid out. */
function pieces(text) {
    const cut = [];
    for (let from = 0; from < text.length; ) {
        const line = text.lastIndexOf("\n", from + PIECE) + 1;
        let to = from + PIECE >= text.length ? text.length : line > from ? line : from + PIECE;
        const last = text.charCodeAt(to - 1);
        if (to < text.length && last >= 0xd800 && last < 0xdc00) to += 1; // not through the middle of a character
        cut.push(text.slice(from, to));
        from = to;
    }
    return cut;
}

/** The digit of a key, also where digits need Shift or are not ASCII. */
function digit(event) {
    if (/^[0-9]$/.test(event.key)) return event.key;
    return event.shiftKey ? null : (/^Digit([0-9])$/.exec(event.code || "")?.[1] ?? null);
}

class View {
    constructor(model, el, signal) {
        this.model = model;
        this.id = `lw${Date.now().toString(36)}${Math.random().toString(36).slice(2)}`;
        this.n = 0; // the running number of messages
        this.state = null; // what Python said last
        this.given = {}; // answers to the item on the screen, not sent yet
        this.active = 0; // the question that keys answer
        this.pending = null; // what waits for its acknowledgement: {n, pressedAt, timers}
        this.gone = false;
        this.since = 0; // when the item came on the screen
        this.draft = "";
        this.build(el);
        const heard = (message) => this.hear(message);
        const alive = () => model.comm_live === false || this.lost(GONE);
        model.on("msg:custom", heard);
        model.on("comm_live_update", alive);
        const beat = setInterval(() => document.hidden || this.pending || this.beat(), HEARTBEAT);
        const sized = new ResizeObserver(([entry]) => this.fit(entry.contentRect.width));
        sized.observe(this.root);
        signal?.addEventListener("abort", () => {
            clearInterval(beat);
            sized.disconnect();
            this.settle();
            clearTimeout(this.beating);
            model.off("msg:custom", heard);
            model.off("comm_live_update", alive);
        });
        this.act("hello");
    }

    build(el) {
        const part = (tag, name, given = {}) => (this[name] = make(tag, { className: `lw-${name}`, ...given }));
        const button = (key, words, press) =>
            make(
                "button",
                { type: "button", className: "lw-quiet", onclick: () => this.pressed(press), "aria-keyshortcuts": key },
                `${words} `,
                keycap(key),
            );
        part("section", "root", { tabIndex: 0, ariaLabel: "Labelling" });
        this.root.className = "lw-label";
        this.root.setAttribute("aria-describedby", `${this.id}-where ${this.id}-text`);
        part("header", "top");
        part("div", "where", { id: `${this.id}-where`, ariaLive: "polite" });
        part("div", "text", { id: `${this.id}-text`, tabIndex: 0, role: "region", ariaLabel: "The task" });
        part("div", "whole");
        part("dl", "facts");
        part("ol", "rows", { tabIndex: 0, ariaLabel: "Similar past executions" });
        this.summary = make("summary", {}, "Similar past executions");
        part("p", "similarwords");
        part("details", "similar", { ontoggle: () => this.wantSimilar() });
        this.similar.append(this.summary, this.similarwords, this.rows);
        part("div", "ask");
        part("p", "hint", { role: "status" });
        this.undoes = button("u", "Undo", () => this.undo());
        this.skips = button("s", "Skip", () => this.skip());
        this.notes = button("n", "Note", () => this.openNote());
        this.suggests = button("v", "Suggestion", () => this.suggest());
        this.helps = button("?", "Help", () => this.toggleHelp());
        this.area = make("textarea", { rows: 3, maxLength: 2000, dir: "auto", ariaLabel: "Note on this item" });
        this.area.placeholder = "Enter saves, Shift+Enter begins a line, Escape leaves";
        const save = make("button", { type: "button", onclick: () => this.saveNote() }, "Save the note");
        part("div", "note", { hidden: true });
        this.note.append(this.area, save);
        part("dl", "help", { hidden: true });
        for (const [key, words] of HELP) this.help.append(make("dt", {}, key), make("dd", {}, words));
        part("p", "last");
        part("p", "notice", { role: "status", ariaLive: "polite", dir: "auto" });
        this.notice.classList.add("lw-foreign");
        part("footer", "who");
        const main = make("div", { className: "lw-main" }, this.where, this.text, this.whole, this.facts);
        const buttons = [this.undoes, this.skips, this.notes, this.suggests, this.helps];
        const acts = make("div", { className: "lw-acts", role: "toolbar", ariaLabel: "More" }, ...buttons);
        const told = [acts, this.hint, this.note, this.notice, this.last];
        const below = make("div", { className: "lw-below" }, this.ask, ...told);
        const body = make("div", { className: "lw-body" }, main, this.similar, below);
        this.root.append(this.top, body, this.help, this.who);
        this.say("Connecting …");
        for (const kind of ["keydown", "keyup", "keypress"])
            this.root.addEventListener(kind, (event) => {
                event.stopPropagation();
                if (kind === "keydown") this.key(event);
            });
        // Where Lab looks first is the element that has the focus, whichever it is.
        const guard = (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true");
        this.root.addEventListener("focusin", guard);
        this.root.setAttribute("data-lm-suppress-shortcuts", "true");
        this.root.addEventListener("click", (event) => this.clicked(event));
        el.append(this.root);
    }

    // --- messages

    send(what, more = {}) {
        this.n += 1;
        try {
            this.model.send({ view: this.id, n: this.n, do: what, ...more });
        } catch {
            this.lost(GONE);
        }
        return this.n;
    }

    /** Send something that must be acknowledged; until it is, nothing else is taken. */
    act(what, more = {}, words = "") {
        if (this.pending) return;
        const pressedAt = this.pressedAt ?? performance.now();
        const n = this.send(what, { item: this.state?.item?.id, ...more });
        if (this.gone) return;
        if (words) this.say(words);
        const busy = () => this.say(`${words || "Connecting …"} The kernel is busy: this waits its turn.`);
        const slow = setTimeout(busy, SLOW);
        const late = setTimeout(() => this.doubt(), PATIENCE);
        this.pending = { n, pressedAt, what, timers: [slow, late] };
        this.root.dataset.state = "saving";
        this.root.ariaBusy = "true";
    }

    settle() {
        this.pending?.timers.forEach(clearTimeout);
        this.pending = null;
        this.root.ariaBusy = "false";
    }

    /** Ask whether Python is still there, which keeps the item in hand; keys are taken meanwhile. */
    beat() {
        this.send("beat", { item: this.state?.item?.id, active: this.touched === true });
        this.touched = false;
        clearTimeout(this.beating);
        this.beating = setTimeout(() => this.pending || this.doubt(), PATIENCE);
    }

    doubt() {
        this.settle();
        this.doubting = true;
        this.root.dataset.state = "gone";
        this.say(DOUBT, "error");
    }

    lost(words) {
        this.settle();
        this.gone = true;
        this.root.dataset.state = "gone";
        this.say(words, "error");
    }

    hear(message) {
        if (this.gone) return;
        if (message.kind === "similar") return void this.showSimilar(message);
        if (message.kind === "whole") return void this.showWhole(message);
        if (message.kind !== "state") return;
        clearTimeout(this.beating);
        if (this.doubting) this.say("");
        this.doubting = false;
        const mine = message.view === this.id && message.n === this.pending?.n;
        const { what, pressedAt } = this.pending ?? {};
        if (mine) {
            this.settle();
            this.root.dataset.answered = String(message.n);
        }
        this.show(message, mine ? what : null);
        if (!mine) return;
        if (what !== "hello") this.root.dataset.ms = (performance.now() - pressedAt).toFixed(1);
        if (what === "note" && message.notice?.kind === "saved") this.closeNote();
        if (message.take_focus && !document.activeElement?.closest("input, textarea, select, [contenteditable=true]"))
            this.focus();
    }

    // --- what is shown

    show(state, asked) {
        const before = this.state;
        const had = this.root.contains(document.activeElement);
        const typing = document.activeElement === this.area;
        this.state = state;
        const isNew = !before || state.item?.id !== before.item?.id;
        if (isNew) this.since = performance.now();
        this.stand();
        this.showTop(state);
        if (isNew) this.showItem(state);
        else if (state.item?.is_ready !== before.item?.is_ready) {
            this.showDetails(state.item);
            if (this.notice.textContent.startsWith(LATE)) this.say("");
        }
        this.notes.firstChild.data = state.item?.note ? "Note ✓ " : "Note ";
        this.hint.replaceChildren(...(state.suggestion ? [foreign("span", "", state.suggestion)] : []));
        this.undoes.disabled = !state.can_undo;
        for (const one of [this.skips, this.notes, this.suggests]) one.disabled = !state.item;
        const { last } = state;
        this.last.replaceChildren();
        if (last && last.id !== state.item?.id) {
            const answer = make("b", {}, last.answer);
            this.last.append("Before: ", foreign("q", "", last.text), " ", answer, ". ", last.words, " ");
            if (last.suggestion) this.last.append(foreign("span", "", last.suggestion));
        }
        if (state.notice) this.say(state.notice.words, state.notice.kind);
        else if (asked) this.say("");
        if (had && !typing && !this.root.contains(document.activeElement)) this.focus();
    }

    showTop({ title, queue, progress }) {
        const bars = progress.map(({ words, n, of }) =>
            make(
                "div",
                {
                    className: "lw-progress",
                    role: "progressbar",
                    ariaLabel: words,
                    ariaValueMin: "0",
                    ariaValueMax: String(of),
                    ariaValueNow: String(n),
                    ariaValueText: words,
                },
                make("span", {}, words),
                make("i", { style: `--share: ${of ? Math.min(1, n / of) : 0}` }),
            ),
        );
        const named = foreign("span", "lw-queue", queue);
        const heading = make("div", { className: "lw-title" }, make("strong", {}, title), named);
        this.top.replaceChildren(heading, make("div", { className: "lw-bars" }, ...bars));
        const [before, name, after] = this.state.who;
        this.who.replaceChildren(before, foreign("b", "", name), after);
    }

    /** Say what can be done now: a new item takes no answer for a moment. */
    stand() {
        const rests = SETTLE - (performance.now() - this.since);
        const settling = this.state.item && rests > 0;
        if (settling) setTimeout(() => this.gone || this.stand(), rests);
        const here = this.state.item?.is_ready ? "ready" : "waiting";
        const still = settling ? "settling" : this.state.item ? here : "finished";
        this.root.dataset.state = this.pending ? "saving" : still;
    }

    showItem({ item, questions, finished }) {
        this.given = {};
        this.active = 0;
        this.similarOf = null;
        this.closeNote(false);
        this.draft = item?.note ?? "";
        this.rows.replaceChildren();
        this.similarwords.textContent = "";
        this.similar.hidden = !item;
        this.where.replaceChildren(...(item ? [`Item ${item.place}: `, foreign("span", "", item.why)] : []));
        this.showDetails(item);
        this.ask.replaceChildren(...(item ? questions.map((_, i) => this.question(i)) : []));
        if (!item) this.ask.append(make("p", { className: "lw-finished" }, finished));
        this.mark();
        this.wantSimilar();
    }

    /** Show what is known of an item; what is not there yet comes later. */
    showDetails(item) {
        this.text.hidden = !item;
        this.showText(item?.description || item?.words || "");
        const rest = item && item.n_characters > item.description.length;
        const asks = () => this.send("whole", { item: item.id });
        const words = rest ? `Show all ${item.n_characters.toLocaleString("en")} characters` : "";
        this.whole.replaceChildren(...(rest ? [make("button", { type: "button", onclick: asks }, words)] : []));
        this.facts.replaceChildren();
        for (const [name, text] of item?.facts ?? [])
            this.facts.append(make("div", {}, make("dt", {}, name), foreign("dd", "", text)));
    }

    showText(text) {
        this.text.replaceChildren(...pieces(text).map((piece) => foreign("div", "lw-piece", piece)));
        this.text.scrollTop = 0;
    }

    showWhole({ item, text }) {
        if (item !== this.state?.item?.id) return;
        this.whole.replaceChildren();
        this.showText(text);
    }

    question(index) {
        const { name, text, kind, choices, keys, ends } = this.state.questions[index];
        const box = make("fieldset", { className: "lw-question", onfocusin: () => this.mark(index) });
        box.append(make("legend", {}, text));
        if (kind === "score") {
            const range = make("input", { type: "range", min: "0", max: "1", step: "0.025", className: "lw-unset" });
            range.value = "0.5";
            range.ariaLabel = `${text} From ${ends[0]} to ${ends[1]}`;
            range.ariaValueText = "not set";
            const said = make("output", {}, "not set");
            const set = (value) => {
                range.value = String(value);
                range.className = "";
                this.given[name] = Number(range.value);
                range.ariaValueText = said.textContent = String(Number(range.value));
            };
            range.addEventListener("input", () => set(range.value));
            range.addEventListener("click", () => set(range.value));
            box.set = (key) => key in keys && set(keys[key]);
            box.focused = range;
            const end = (key, words) => make("span", {}, keycap(key), ` ${words}`);
            const both = make("div", { className: "lw-ends" }, end("1", ends[0]), end("9", ends[1]));
            box.append(make("div", { className: "lw-scale" }, range, said, both));
            return box;
        }
        const buttons = choices.map(({ key, value, text: words }) =>
            make(
                "button",
                {
                    type: "button",
                    className: "lw-choice",
                    ariaPressed: "false",
                    "aria-keyshortcuts": key,
                    onclick: () => this.pressed(() => this.choose(index, value)),
                },
                key ? keycap(key) : null,
                make("span", {}, words),
            ),
        );
        box.show = (value) => buttons.forEach((one, i) => (one.ariaPressed = String(choices[i].value === value)));
        box.set = (key) => key in keys && this.choose(index, keys[key]);
        box.append(make("div", { className: "lw-choices" }, ...buttons));
        return box;
    }

    /** Show which question keys answer. */
    mark(index = this.active) {
        this.active = index;
        [...this.ask.children].forEach((box, i) => {
            if (i === index && this.ask.children.length > 1) box.setAttribute("aria-current", "step");
            else box.removeAttribute("aria-current");
        });
    }

    fit(width) {
        const wide = width >= WIDE;
        if (wide === this.wide) return;
        this.wide = wide;
        this.similar.open = wide;
    }

    wantSimilar() {
        const { item } = this.state ?? {};
        if (!item || !this.similar.open || this.similarOf === item.id) return;
        this.similarOf = item.id;
        this.similarwords.textContent = "Looking …";
        clearTimeout(this.looking);
        this.looking = setTimeout(() => this.gone || this.send("similar", { item: item.id }), 200);
    }

    showSimilar({ item, words, rows }) {
        if (item !== this.state?.item?.id) return;
        this.similarwords.replaceChildren(...(words ? [foreign("span", "", words)] : []));
        this.rows.replaceChildren(
            ...rows.map(({ outcome, nearness, text, told }) =>
                make(
                    "li",
                    {},
                    make("div", { className: "lw-outcome" }, make("b", {}, outcome), outcome ? " " : "", nearness),
                    foreign("div", "lw-excerpt", text),
                    foreign("div", "lw-told", told),
                ),
            ),
        );
    }

    say(words, kind = "told") {
        const same = this.notice.textContent === words;
        this.notice.dataset.kind = kind;
        this.notice.textContent = same && words ? `${words}\u200b` : words; // said again, also to a screen reader
    }

    // --- keys and clicks

    focus() {
        const box = this.ask.children[this.active];
        (box?.focused ?? this.root).focus({ preventScroll: true });
    }

    clicked(event) {
        this.touched = true;
        if (event.target.closest("textarea, input, summary, .lw-text")) return;
        if (String(getSelection() ?? "") && !event.target.closest("button")) return;
        if (this.note.hidden) this.focus();
    }

    /** Do what a button does; its key press is not a repeated one, and an answer needs an item that stands still. */
    pressed(does) {
        this.pressedAt = performance.now();
        this.touched = true;
        if (this.gone) this.say(GONE, "error");
        else if (!this.pending && this.state) does();
        this.pressedAt = null;
    }

    key(event) {
        if (event.isComposing || event.key === "Process") return;
        if (event.target === this.area) return void this.keyInNote(event);
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const act = this.meaning(event);
        if (!act) return;
        event.preventDefault();
        if (event.key === "Escape") return void act();
        if (!event.repeat) this.pressed(act);
    }

    meaning(event) {
        const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
        const onControl = event.target.closest("button, summary");
        if (key === "Escape") return () => this.leave();
        if (key === "?") return () => this.toggleHelp();
        if (key === "Enter") return onControl ? null : () => this.confirm();
        if (key === "Backspace" || key === "u") return () => this.undo();
        if (key === "s") return () => this.skip();
        if (key === "n") return () => this.openNote();
        if (key === "v") return () => this.suggest();
        const number = digit(event);
        return number === null ? null : () => this.ask.children[this.active]?.set?.(number);
    }

    keyInNote(event) {
        if (event.key === "Escape") {
            event.preventDefault();
            this.closeNote();
        } else if (event.key === "Enter" && !event.shiftKey) {
            event.preventDefault();
            if (!event.repeat) this.pressed(() => this.saveNote());
        }
    }

    leave() {
        if (!this.help.hidden) return void this.toggleHelp();
        let outside = this.root.parentElement;
        while (outside && outside.tabIndex < 0 && !outside.hasAttribute("tabindex")) outside = outside.parentElement;
        document.activeElement?.blur();
        outside?.focus({ preventScroll: true });
    }

    choose(index, value) {
        const { questions } = this.state;
        this.given[questions[index].name] = value;
        this.ask.children[index].show(value);
        this.mark(index);
        if (questions.length === 1) this.label();
    }

    confirm() {
        const { item, questions } = this.state;
        if (!item) return;
        const { name, is_required } = questions[this.active];
        if (is_required && !(name in this.given)) return void this.say(MISSING);
        if (this.active + 1 < questions.length) {
            this.mark(this.active + 1);
            this.focus();
        } else this.label();
    }

    label() {
        const { questions } = this.state;
        if (this.root.dataset.state === "settling") return;
        if (!this.state.item.is_ready) return void this.say(LATE);
        const missing = questions.findIndex(({ name, is_required }) => is_required && !(name in this.given));
        if (missing >= 0) {
            this.mark(missing);
            this.focus();
            return void this.say(MISSING);
        }
        if (!Object.keys(this.given).length) return void this.say(MISSING);
        this.act("label", { answers: { ...this.given } }, "Saving …");
    }

    undo() {
        if (this.state.can_undo) this.act("undo", {}, "Taking back …");
        else this.say("There is nothing of yours to take back in this queue.");
    }

    skip() {
        if (this.state.item) this.act("skip", {}, "Skipping …");
    }

    suggest() {
        if (this.state.item) this.act("suggestion");
    }

    toggleHelp() {
        this.help.hidden = !this.help.hidden;
        this.helps.ariaExpanded = String(!this.help.hidden);
    }

    openNote() {
        if (!this.state.item) return;
        this.note.hidden = false;
        this.area.value = this.draft;
        this.area.focus();
    }

    closeNote(focus = true) {
        if (this.note.hidden) return;
        this.draft = this.area.value;
        this.note.hidden = true;
        if (focus) this.focus();
    }

    saveNote() {
        const text = this.area.value.trim();
        if (!text) return void this.say("An empty note says nothing: Escape leaves it.");
        this.draft = text;
        this.act("note", { text }, "Saving the note …");
    }
}

export default {
    render({ model, el, signal }) {
        new View(model, el, signal);
    },
};
