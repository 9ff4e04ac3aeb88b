// What pages gain where scripts run: filtering while typing, tabs for samples, and copying. Without it all is readable.
"use strict";

(() => {
  const filter = document.querySelector("[data-filter]");
  if (filter) {
    const cards = [...document.querySelectorAll(`${filter.dataset.filter} > li`)];
    const count = document.getElementById("count");
    filter.addEventListener("input", () => {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const card of cards) {
        const text = card.dataset.text.toLowerCase();
        card.hidden = !words.every((word) => text.includes(word));
        shown += card.hidden ? 0 : 1;
      }
      count.textContent = `${shown} of ${cards.length}`;
    });
  }

  for (const box of document.querySelectorAll("[data-tabs]")) {
    const panels = [...box.querySelectorAll(".sample")];
    const list = document.createElement("div");
    list.className = "tabs";
    list.setAttribute("role", "tablist");
    list.setAttribute("aria-label", "Samples");
    const tabs = panels.map((panel) => {
      const tab = document.createElement("button");
      tab.type = "button";
      tab.id = `${panel.id}-tab`;
      tab.textContent = panel.getAttribute("aria-label");
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-controls", panel.id);
      panel.setAttribute("role", "tabpanel");
      list.append(tab);
      return tab;
    });
    const select = (chosen) => {
      tabs.forEach((tab, index) => {
        tab.setAttribute("aria-selected", String(index === chosen));
        tab.tabIndex = index === chosen ? 0 : -1;
        panels[index].hidden = index !== chosen;
      });
    };
    tabs.forEach((tab, index) => {
      tab.addEventListener("click", () => select(index));
      tab.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (step) {
          const next = (index + step + tabs.length) % tabs.length;
          select(next);
          tabs[next].focus();
        }
      });
    });
    box.classList.add("tabbed");
    box.prepend(list);
    select(0);
  }

  for (const sample of document.querySelectorAll(".sample")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(sample.querySelector("code").textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Press Ctrl+C"; // no clipboard without HTTPS: the text is selected instead
        getSelection().selectAllChildren(sample.querySelector("code"));
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    sample.append(button);
  }
})();
