// Copying a conversation: who said it and when, once, and what was said. Inside one message, what is selected is copied.

/** @param {ClipboardEvent} event */
export function copyConversation(event) {
  const selection = getSelection();
  if (selection?.rangeCount !== 1) return;
  const range = selection.getRangeAt(0);
  const rows = [...document.querySelectorAll(".log li:not(.divider)")].filter((row) => range.intersectsNode(row));
  const inside = range.commonAncestorContainer;
  if (!rows.length || (inside instanceof Element ? inside : inside.parentElement)?.closest(".said")) return;
  const texts = rows.map((row) => textOf(selected(row, range)));
  event.clipboardData?.setData("text/plain", texts.filter(Boolean).join("\n"));
  event.preventDefault();
}

/** A copy of what is selected in a row.
 * @param {Element} row
 * @param {Range} range
 */
function selected(row, range) {
  const part = document.createRange();
  part.selectNodeContents(row);
  if (row.contains(range.startContainer)) part.setStart(range.startContainer, range.startOffset);
  if (row.contains(range.endContainer)) part.setEnd(range.endContainer, range.endOffset);
  return part.cloneContents();
}

/** @param {DocumentFragment} row */
function textOf(row) {
  const said = row.querySelector(".said");
  const head = row.querySelector(".head");
  if (!said && !head) return inLine(row);
  for (const mark of row.querySelectorAll(".edited")) mark.remove();
  for (const button of row.querySelectorAll("button")) button.replaceWith(inLine(button));
  const heading = Array.from(head?.childNodes ?? [], inLine).filter(Boolean).join(" ");
  return [heading, said?.textContent?.trim()].filter(Boolean).join("\n");
}

/** @param {Node} node */
const inLine = ({ nodeType, textContent }) =>
  nodeType === Node.COMMENT_NODE ? "" : (textContent ?? "").replace(/\s+/g, " ").trim();
