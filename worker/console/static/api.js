// Questions to the worker. A refusal becomes an Error with the worker's own sentence.

export const BASE = "/console/api";
let csrf = null;

export class Refused extends Error {
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

async function ask(path, how = {}) {
  let response;
  try {
    response = await fetch(`${BASE}/${path}`, { credentials: "same-origin", ...how });
  } catch {
    throw new Refused(0, "away", "the worker does not answer");
  }
  const said = await response.json().catch(() => ({}));
  if (!response.ok) {
    if (response.status === 401 && said.code === "signed_out") window.dispatchEvent(new Event("signed-out"));
    throw new Refused(response.status, said.code, said.detail ?? response.statusText);
  }
  return said;
}

const changing = (method, body) => ({
  method,
  headers: { "content-type": "application/json", "x-tidegate-csrf": csrf ?? "" },
  body: JSON.stringify(body ?? {}),
});

export const get = (path, query) => ask(query ? `${path}?${new URLSearchParams(query)}` : path);
export const post = (path, body) => ask(path, changing("POST", body));

export async function session() {
  const said = await get("session");
  csrf = said.csrf;
  return said.person;
}

export async function signIn(name, password) {
  const said = await post("session", { name, password });
  csrf = said.csrf;
  return said.person;
}

export async function signOut() {
  await ask("session", changing("DELETE"));
  csrf = null;
}
