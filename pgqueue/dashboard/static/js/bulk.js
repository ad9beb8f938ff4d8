// Selects jobs in a list: how many are selected, all of the page, and buttons that wait until there are some. What is selected is
// kept by the checkboxes themselves, which a live update leaves as they are.
const boxes = () => [...document.querySelectorAll("input[type=checkbox][name=id]")];

function show() {
  const bar = document.getElementById("bar");
  if (!bar) return;
  const all = boxes(), chosen = all.filter((box) => box.checked).length;
  const isAll = bar.querySelector("[data-all]").checked;
  const text = isAll ? "All that match" : chosen ? `${chosen} selected` : "Select jobs, or";
  const told = bar.querySelector("[data-selected]");
  if (told.textContent !== text) told.textContent = text;
  for (const button of bar.querySelectorAll("[data-verb]")) button.disabled = !isAll && !chosen;
  const every = document.querySelector("[data-pick-all]");
  if (every) {
    every.checked = all.length > 0 && chosen === all.length;
    every.indeterminate = chosen > 0 && chosen < all.length;
  }
}

export function start() {
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-pick-all]")) for (const box of boxes()) box.checked = event.target.checked;
    if (event.target.matches("[data-pick-all], [data-all], input[name=id]")) show();
  });
  document.addEventListener("pgqueue:shown", show);
  addEventListener("pageshow", show); // a browser that goes back restores what was checked
  show();
}
