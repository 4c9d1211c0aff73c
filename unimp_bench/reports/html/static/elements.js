"use strict";

/** An element with its attributes and children; text goes in as text and is never read as markup. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Puts what an element holds into a button in its place. */
function intoButton(holder, attributes = {}) {
  const button = element("button", { type: "button", ...attributes });
  button.append(...holder.childNodes);
  holder.append(button);
  return button;
}
