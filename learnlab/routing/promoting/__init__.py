"""Whether a new fit comes into use: trained and judged on later data (`promotion`), against what it has to beat."""
