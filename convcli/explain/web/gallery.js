"use strict";
const cards = [...document.querySelectorAll(".card")];
document.querySelector(".cards").addEventListener("input", (event) => {
  event.target.closest(".card").querySelector(".pair").style.setProperty("--at", `${event.target.value}%`);
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
