// Light, dark, or as the system: a cookie says it to the server, so no page is first shown in the other one.
const NAMES = ["system", "light", "dark"];

export function start() {
  const button = document.getElementById("theme");
  if (!button) return;
  button.hidden = false;
  let at = NAMES.indexOf(document.documentElement.dataset.theme ?? "system");
  const show = () => {
    button.textContent = `Theme: ${NAMES[at]}`;
    button.setAttribute("aria-label", `Theme: ${NAMES[at]}`);
    if (at) document.documentElement.dataset.theme = NAMES[at];
    else delete document.documentElement.dataset.theme;
  };
  button.addEventListener("click", () => {
    at = (at + 1) % NAMES.length;
    document.cookie = `pgqueue_theme=${NAMES[at]}; path=/; max-age=31536000; samesite=strict`;
    show();
    document.dispatchEvent(new CustomEvent("pgqueue:theme"));
  });
  show();
}
