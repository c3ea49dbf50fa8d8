// The HTTP API as the page asks it: addresses, the token, errors.

let token = sessionStorage.getItem("towline-token") || "";

export const heldToken = () => token;

export function keepToken(text) {
  token = text;
  sessionStorage.setItem("towline-token", text);
}

/** Relative to the page, so that it works below any path, ingress' among them. */
export const address = (path) => new URL(`api/v1/${path}`, document.baseURI);

/** What the API answers; throws {status, code, message}. */
export async function fetched(path, options = {}) {
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(address(path), { ...options, headers });
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({}));
  throw { status: answer.status, code: "", message: answer.statusText, ...error };
}

/** JSON of the API; with a body it is a POST. */
export async function ask(path, body) {
  if (body === undefined) return (await fetched(path)).json();
  const headers = { "Content-Type": "application/json" };
  return (await fetched(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}
