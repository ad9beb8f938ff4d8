// Suggestions for the last term of a filter: arrows, Enter or Tab choose, Escape closes. Without it the field is a plain field.
const QUIET = 120; // ms without a key before it asks

function build(input) {
  const list = document.createElement("ul");
  list.id = "suggestions";
  list.className = "suggestions";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Suggestions");
  list.hidden = true;
  input.after(list);
  for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id }))
    input.setAttribute(name, value);
  return list;
}

function attach(input) {
  const list = build(input);
  let items = [], last = 0, at = -1, due = 0, asking = null;

  const close = () => {
    clearTimeout(due);
    asking?.abort();
    list.hidden = true;
    at = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const mark = (next) => {
    at = next;
    [...list.children].forEach((one, nth) => one.setAttribute("aria-selected", String(nth === at)));
    if (at < 0) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", list.children[at].id);
    list.children[at].scrollIntoView({ block: "nearest" });
  };
  const choose = (nth) => {
    const caret = input.selectionStart, term = items[nth].text;
    const space = /[:.]$/.test(term) ? "" : " ";
    input.setRangeText(term + space, caret - last, caret, "end");
    close();
    input.focus();
    if (!space) soon();
  };
  const draw = () => {
    list.replaceChildren(...items.map((item, nth) => {
      const line = document.createElement("li");
      line.id = `suggestion-${nth}`;
      line.setAttribute("role", "option");
      line.setAttribute("aria-selected", "false");
      const code = document.createElement("code"), says = document.createElement("span");
      code.textContent = item.text;
      says.textContent = item.says;
      says.className = "soft";
      line.append(code, says);
      line.addEventListener("mousedown", (event) => (event.preventDefault(), choose(nth)));
      return line;
    }));
    at = -1;
    list.hidden = !items.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
  };
  const ask = async () => {
    asking?.abort();
    asking = new AbortController();
    const text = input.value.slice(0, input.selectionStart);
    try {
      const answer = await fetch(`${input.dataset.suggest}?q=${encodeURIComponent(text)}`, { signal: asking.signal });
      if (!answer.ok || document.activeElement !== input) return close();
      ({ items, last } = await answer.json());
      draw();
    } catch {
      // the next key asks again
    }
  };
  const soon = () => {
    clearTimeout(due);
    due = setTimeout(ask, QUIET);
  };

  input.addEventListener("input", soon);
  input.addEventListener("click", soon);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (list.hidden) {
      if (event.key === "ArrowDown") soon();
      return;
    }
    const act = {
      ArrowDown: () => mark((at + 1) % items.length),
      ArrowUp: () => mark((at <= 0 ? items.length : at) - 1),
      Enter: at < 0 ? null : () => choose(at),
      Tab: at < 0 ? null : () => choose(at),
      Escape: () => (close(), event.stopPropagation()),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

export function start() {
  for (const input of document.querySelectorAll("[data-suggest]")) attach(input);
}
