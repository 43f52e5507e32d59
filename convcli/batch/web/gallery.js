"use strict";
const cards = [...document.querySelectorAll(".card")];
document.querySelector(".cards").addEventListener("input", (event) => {
  event.target.closest(".card").querySelector(".pair").style.setProperty("--at", `${event.target.value}%`);
});
// The picture itself can be dragged over, too.
document.querySelector(".cards").addEventListener("pointermove", (event) => {
  const pair = event.target.closest(".pair");
  if (!pair || !(event.buttons & 1 || event.pointerType === "mouse")) return;
  const box = pair.getBoundingClientRect();
  const at = Math.round((100 * (event.clientX - box.left)) / box.width);
  pair.style.setProperty("--at", `${at}%`);
  pair.closest(".card").querySelector("input").value = at;
});
document.querySelector("#find").addEventListener("input", (event) => {
  const words = event.target.value.toLowerCase();
  let shown = 0;
  for (const card of cards) {
    card.hidden = !card.dataset.name.toLowerCase().includes(words);
    shown += !card.hidden;
  }
  document.querySelector("#shown").textContent = `${shown} of ${cards.length} shown`;
});
document.querySelector("#all").addEventListener("input", (event) => {
  for (const card of cards) {
    card.querySelector("input").value = event.target.value;
    card.querySelector(".pair").style.setProperty("--at", `${event.target.value}%`);
  }
});
