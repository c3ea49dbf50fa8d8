// Colours of terminal programs: SGR sequences become classes, every other sequence is left out.

// CSI, OSC (ended by BEL or ST), and the two-character escapes
const SEQUENCE = /\x1b\[([0-9;:]*)([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\^_]|\x1b/g;
// what is invisible or turns the direction of text around is shown as its code
const HIDDEN = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

const shown = (text) =>
  text.replace(HIDDEN, (c) => "\\u" + c.codePointAt(0).toString(16).padStart(4, "0"));

function restyle(style, codes) {
  const numbers = codes.split(/[;:]/).map(Number);
  for (let i = 0; i < numbers.length; i++) {
    const n = numbers[i];
    if (n === 0) style = {};
    else if (n === 1) style = { ...style, bold: true };
    else if (n === 2) style = { ...style, faint: true };
    else if (n === 3) style = { ...style, italic: true };
    else if (n === 4) style = { ...style, underline: true };
    else if (n === 22) style = { ...style, bold: false, faint: false };
    else if (n === 39) style = { ...style, colour: undefined };
    else if (n >= 30 && n <= 37) style = { ...style, colour: n - 30 };
    else if (n >= 90 && n <= 97) style = { ...style, colour: n - 82 };
    else if (n === 38 && numbers[i + 1] === 5) {
      style = { ...style, colour: numbers[i + 2] < 16 ? numbers[i + 2] : undefined };
      i += 2;
    } else if ((n === 38 || n === 48) && numbers[i + 1] === 2) i += 4;
    else if (n === 48 && numbers[i + 1] === 5) i += 2;
  }
  return style;
}

/** A message as pieces of {text, classes}. */
export function pieces(message) {
  if (!message.includes("\x1b")) return [{ text: shown(message), classes: "" }];
  const found = [];
  let style = {};
  let from = 0;
  const add = (text) => {
    if (!text) return;
    const classes = [];
    if (style.colour !== undefined) classes.push(`c${style.colour}`);
    for (const name of ["bold", "faint", "italic", "underline"]) if (style[name]) classes.push(name);
    found.push({ text: shown(text), classes: classes.join(" ") });
  };
  for (const hit of message.matchAll(SEQUENCE)) {
    add(message.slice(from, hit.index));
    from = hit.index + hit[0].length;
    if (hit[2] === "m") style = restyle(style, hit[1]);
  }
  add(message.slice(from));
  return found;
}
