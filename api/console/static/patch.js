// Makes what is in an element like what is in another one, and touches only what differs: a selection, the focus, what is
// open or scrolled, and a button that is being pressed stay.
const OF_THE_VIEWER = new Set(["open"]); // attributes that say what the viewer has opened, and not what there is
const STRONG = ["id", "data-key", "href", "aria-labelledby"]; // what names an element wherever it stands

export function patch(element, fresh) {
  const selection = getSelection();
  const selected = selection && !selection.isCollapsed && element.contains(selection.anchorNode) ? selection : null;
  patchChildren(element, fresh, (node) => selected?.containsNode(node, true) ?? false);
}

function patchChildren(old, fresh, isSelected) {
  let next = old.firstChild;
  for (const node of [...fresh.childNodes]) {
    const match = matchOf(node, next);
    if (!match) {
      old.insertBefore(node, next);
      continue;
    }
    while (next !== match) next = without(next);
    next = match.nextSibling;
    patchNode(match, node, isSelected);
  }
  while (next) next = without(next);
}

// The node itself if it is of the same kind; or the one further on that has the same name.
function matchOf(node, next) {
  if (!next || areAlike(node, next)) return next;
  const name = nameOf(node);
  let other = name ? next : null;
  while (other && !(nameOf(other) === name && areAlike(node, other))) other = other.nextSibling;
  return other;
}

function areAlike(one, other) {
  return one.nodeName === other.nodeName && nameOf(one) === nameOf(other) && one.classList?.[0] === other.classList?.[0];
}

function nameOf(node) {
  if (!node.getAttribute) return null;
  const attribute = STRONG.find((one) => node.hasAttribute(one));
  return attribute ? `${attribute}=${node.getAttribute(attribute)}` : null;
}

function patchNode(old, fresh, isSelected) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    // Text that the viewer has selected is not changed until the selection is gone.
    if (!isSelected(old)) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !OF_THE_VIEWER.has(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !OF_THE_VIEWER.has(name)) old.setAttribute(name, value);
  }
  patchChildren(old, fresh, isSelected);
}

function without(node) {
  const following = node.nextSibling;
  node.remove();
  return following;
}
