// Comforts of the policy editor: it works without them.
"use strict";

const editor = document.querySelector("textarea[data-numbers]");
if (editor) {
  // Line numbers beside the text, which must not wrap for that.
  const frame = document.createElement("div");
  const numbers = document.createElement("pre");
  frame.className = "numbered";
  numbers.className = "numbers";
  numbers.setAttribute("aria-hidden", "true");
  editor.replaceWith(frame);
  frame.append(numbers, editor);
  let count = 0;
  const number = () => {
    const lines = editor.value.split("\n").length;
    if (lines !== count) numbers.textContent = Array.from({ length: lines + 1 }, (_, place) => place < lines ? place + 1 : "").join("\n");
    count = lines;
    numbers.scrollTop = editor.scrollTop;
  };
  editor.addEventListener("input", number);
  editor.addEventListener("scroll", number);
  number();

  // What is said about a line leads to it.
  const go = (line) => {
    const lines = editor.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    editor.focus();
    editor.setSelectionRange(start, start + (lines[line - 1] || "").length);
    editor.scrollTop = (line - 6) * parseFloat(getComputedStyle(editor).lineHeight);
  };
  // The first thing that is wrong is in view at once.
  const first = document.querySelector("a[data-line]");
  if (first) editor.scrollTop = (Number(first.dataset.line) - 6) * parseFloat(getComputedStyle(editor).lineHeight);
  for (const link of document.querySelectorAll("a[data-line]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      go(Number(link.dataset.line));
    });
  }
}
