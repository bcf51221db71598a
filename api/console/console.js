// Lists the operations of the OpenAPI document and sends those that only read. Text is only ever set as text, never as HTML.
"use strict";

const byId = (id) => document.getElementById(id);

function element(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((c) => c !== null && c !== undefined));
  return node;
}

function resolve(doc, node) {
  if (!node || !node.$ref) return node;
  return node.$ref.slice(2).split("/").reduce((at, key) => at[key], doc);
}

// shape writes a schema the way its JSON looks, going down a few levels.
function shape(doc, schema, depth) {
  const s = resolve(doc, schema) || {};
  if (s.allOf && s.allOf.length === 1) return shape(doc, s.allOf[0], depth);
  if (s.type === "array") return [depth > 0 ? shape(doc, s.items, depth - 1) : "…"];
  if (s.properties) {
    if (depth === 0) return "{…}";
    const out = {};
    const required = new Set(s.required || []);
    for (const [key, value] of Object.entries(s.properties)) {
      out[required.has(key) ? key : key + "?"] = shape(doc, value, depth - 1);
    }
    return out;
  }
  return (s.enum ? s.enum.join(" | ") : s.format || s.type || "any") + (s.nullable ? " | null" : "");
}

function typeText(doc, parameter) {
  const s = resolve(doc, parameter.schema) || {};
  return (s.enum ? s.enum.join(" | ") : s.type || "any") + (s.default !== undefined ? " = " + s.default : "");
}

function basic(user, password) {
  const bytes = new TextEncoder().encode(user + ":" + password);
  return "Basic " + btoa(String.fromCharCode(...bytes));
}

function requestUrl(path, fields) {
  const query = new URLSearchParams();
  for (const { parameter, input } of fields) {
    if (parameter.in === "path") path = path.replace("{" + parameter.name + "}", encodeURIComponent(input.value));
    else if (parameter.in === "query" && input.value !== "") query.set(parameter.name, input.value);
  }
  const text = query.toString();
  return "/v2" + path + (text ? "?" + text : "");
}

async function send(path, fields, output) {
  const headers = {};
  if (byId("user").value) headers.Authorization = basic(byId("user").value, byId("password").value);
  if (byId("account").value) headers["x-anchore-account"] = byId("account").value;
  output.className = "";
  output.textContent = "…";
  try {
    const answer = await fetch(requestUrl(path, fields), { headers, credentials: "omit", cache: "no-store" });
    const text = await answer.text();
    let pretty = text;
    try { pretty = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: shown as it is */ }
    if (!answer.ok) output.className = "failed";
    output.textContent = answer.status + " " + answer.statusText + "\n\n" + pretty;
  } catch (error) {
    output.className = "failed";
    output.textContent = "The request could not be sent: " + error;
  }
}

function trial(doc, path, parameters) {
  const fields = parameters.filter((p) => p.in !== "header").map((parameter) => ({
    parameter,
    input: element("input", { "aria-label": parameter.name, placeholder: parameter.required ? "required" : "" }),
  }));
  const output = element("pre", {});
  const table = element("table", {}, ...fields.map(({ parameter, input }) =>
    element("tr", {}, element("td", {}, element("code", {}, parameter.name)), element("td", {}, input))));
  return element("div", {}, table, element("button", { onclick: () => send(path, fields, output) }, "Try it"), output);
}

function operationBody(doc, method, path, item, operation) {
  const parameters = [...(item.parameters || []), ...(operation.parameters || [])].map((p) => resolve(doc, p));
  const body = element("div", { class: "body" });
  if (operation.description) body.append(element("p", {}, operation.description));
  if (parameters.length) {
    body.append(element("table", {}, element("tr", {}, ...["Parameter", "In", "Type", ""].map((t) => element("th", {}, t))),
      ...parameters.map((p) => element("tr", {}, element("td", {}, element("code", {}, p.name + (p.required ? " *" : ""))),
        element("td", {}, p.in), element("td", {}, typeText(doc, p)), element("td", {}, p.description || "")))));
  }
  const media = operation.requestBody && Object.values(operation.requestBody.content)[0];
  if (media) body.append(element("p", {}, "Body"), element("pre", {}, JSON.stringify(shape(doc, media.schema, 5), null, 2)));
  for (const [status, response] of Object.entries(operation.responses)) {
    const answer = resolve(doc, response);
    const content = answer.content && Object.values(answer.content)[0];
    body.append(element("p", {}, element("strong", {}, status), " " + answer.description));
    if (content && status !== "default") body.append(element("pre", {}, JSON.stringify(shape(doc, content.schema, 5), null, 2)));
  }
  if (method === "GET") body.append(trial(doc, path, parameters));
  return body;
}

function operationNode(doc, method, path, item, operation) {
  const needs = operation["x-authz"];
  const label = needs.action === "None" ? (needs.domain === "none" ? "open" : "any user") : needs.action;
  const node = element("details", {}, element("summary", {}, element("span", { class: "method " + method }, method),
    element("code", {}, path), element("span", {}, operation.summary || ""), element("span", { class: "needs" }, label)));
  node.dataset.text = (method + " " + path + " " + (operation.summary || "") + " " + label).toLowerCase();
  node.addEventListener("toggle", () => {
    if (node.open && node.children.length === 1) node.append(operationBody(doc, method, path, item, operation));
  });
  return node;
}

function render(doc) {
  const groups = new Map((doc.tags || []).map((t) => [t.name, { about: t.description, nodes: [] }]));
  for (const path of Object.keys(doc.paths).sort()) {
    const item = doc.paths[path];
    for (const method of ["get", "post", "put", "patch", "delete"]) {
      const operation = item[method];
      if (!operation) continue;
      const tag = (operation.tags || ["other"])[0];
      if (!groups.has(tag)) groups.set(tag, { about: "", nodes: [] });
      groups.get(tag).nodes.push(operationNode(doc, method.toUpperCase(), path, item, operation));
    }
  }
  const root = byId("operations");
  root.replaceChildren();
  for (const [tag, group] of groups) {
    root.append(element("section", {}, element("h2", {}, tag), element("p", { class: "about" }, group.about || ""), ...group.nodes));
  }
}

function filter() {
  const wanted = byId("filter").value.toLowerCase();
  for (const node of document.querySelectorAll("details")) node.hidden = !node.dataset.text.includes(wanted);
  for (const section of document.querySelectorAll("#operations section")) {
    section.hidden = !section.querySelector("details:not([hidden])");
  }
}

byId("filter").addEventListener("input", filter);
fetch("../openapi.json").then((answer) => answer.json()).then(render).catch((error) => {
  byId("operations").textContent = "The document could not be loaded: " + error;
});
