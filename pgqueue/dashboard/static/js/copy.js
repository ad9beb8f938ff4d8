// Copies a text. Over plain http there is no clipboard API, so an old way is used.
import { say } from "./live.js";

function copy(text, within) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "sr";
  within.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

export function start() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    copy(button.dataset.copy, button.closest("dialog") ?? document.body); // beside an open dialog nothing can be selected
    say("Copied.");
    const text = button.textContent;
    if (text === "✓") return;
    button.textContent = "✓";
    setTimeout(() => (button.textContent = text), 1200);
    button.focus();
  });
}
