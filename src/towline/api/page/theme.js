// Colours: the reader's choice of light or dark, and Home Assistant's own where it frames this page.

const NAMES = [
  "primary-color", "primary-background-color", "card-background-color", "secondary-background-color",
  "primary-text-color", "secondary-text-color", "divider-color", "error-color", "warning-color",
  "info-color", "success-color",
];
const here = document.documentElement;

/** The document that frames this one, if it is of the same origin (ingress is). */
function frame() {
  try {
    return parent === window ? null : parent.document.documentElement;
  } catch {
    return null; // of another origin: none of our business
  }
}

/** How bright a colour is, 0 to 1, whatever way it is written; NaN for what is no colour. */
function brightness(colour) {
  if (!CSS.supports("color", colour)) return NaN;
  const probe = here.appendChild(document.createElement("i"));
  probe.style.color = colour;
  const [red, green, blue] = getComputedStyle(probe).color.match(/[\d.]+/g).map(Number);
  probe.remove();
  return (0.299 * red + 0.587 * green + 0.114 * blue) / 255;
}

function take(host) {
  const theirs = host.ownerDocument.defaultView.getComputedStyle(host);
  for (const name of NAMES) {
    const value = theirs.getPropertyValue(`--${name}`).trim();
    if (value) here.style.setProperty(`--${name}`, value);
    else here.style.removeProperty(`--${name}`);
  }
  const ground = brightness(theirs.getPropertyValue("--primary-background-color").trim());
  if (Number.isNaN(ground)) return;
  // what Home Assistant has no name for follows its ground, whatever the system prefers
  document.getElementById("dark").media = ground < 0.5 ? "all" : "not all";
  here.style.colorScheme = ground < 0.5 ? "dark" : "light";
}

const host = frame();
if (host) {
  take(host);
  new MutationObserver(() => take(host)).observe(host, { attributes: true });
}
