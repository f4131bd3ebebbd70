// Shows /openapi.json: operations by tag, their parameters, bodies, answers and a curl line.
"use strict";

const methods = ["get", "post", "put", "patch", "delete"];

// element makes a DOM node; texts are always set as text, never as HTML.
function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// resolve follows $ref.
function resolve(doc, schema) {
  let found = schema ?? {};
  while (found.$ref) {
    found = found.$ref.slice(2).split("/").reduce((at, key) => at[key], doc);
  }
  return found;
}

// typeName says what a value is, in a few words.
function typeName(doc, schema) {
  if (schema?.$ref) return schema.$ref.split("/").pop();
  const type = [schema?.type ?? "any"].flat().join(" or ");
  if (schema?.items) return `array of ${typeName(doc, schema.items)}`;
  if (schema?.format) return `${type} (${schema.format})`;
  return type;
}

// rules lists what a value must keep to.
function rules(schema) {
  const out = [];
  if (schema.enum) out.push(`one of ${schema.enum.join(", ")}`);
  if (schema.minimum !== undefined) out.push(`at least ${schema.minimum}`);
  if (schema.maximum !== undefined) out.push(`at most ${schema.maximum}`);
  if (schema.minLength !== undefined) out.push(`at least ${schema.minLength} characters`);
  if (schema.maxLength !== undefined) out.push(`at most ${schema.maxLength} characters`);
  if (schema.minItems !== undefined) out.push(`at least ${schema.minItems} elements`);
  if (schema.maxItems !== undefined) out.push(`at most ${schema.maxItems} elements`);
  if (schema.pattern) out.push(`form ${schema.pattern}`);
  if (schema.default !== undefined) out.push(`default ${JSON.stringify(schema.default)}`);
  return out.length ? ` (${out.join("; ")})` : "";
}

function row(doc, name, schema, required, description) {
  return element("tr", {},
    element("td", {}, element("code", {}, name), required ? element("span", { class: "required" }, " *") : null),
    element("td", { class: "type" }, typeName(doc, schema)),
    element("td", {}, (description ?? schema.description ?? "") + rules(schema)));
}

// members shows an object's members, and below them those of the objects inside.
function members(doc, schema, seen = []) {
  const found = resolve(doc, schema);
  const box = element("div");
  if (found.type === "array") return members(doc, found.items, seen);
  if (!found.properties) return element("p", { class: "type" }, typeName(doc, schema));
  const table = element("table");
  for (const [name, property] of Object.entries(found.properties)) {
    table.append(row(doc, name, property, found.required?.includes(name)));
  }
  box.append(table);
  for (const property of Object.values(found.properties)) {
    const ref = property.$ref ?? property.items?.$ref ?? property.additionalProperties?.$ref;
    if (!ref || seen.includes(ref)) continue;
    box.append(element("details", {}, element("summary", {}, ref.split("/").pop()),
      members(doc, { $ref: ref }, [...seen, ref])));
  }
  return box;
}

// example makes a value that fits a schema.
function example(doc, schema, depth = 0) {
  const found = resolve(doc, schema);
  if (found.examples?.length) return found.examples[0];
  if (found.default !== undefined) return found.default;
  if (found.enum) return found.enum[0];
  switch ([found.type].flat()[0]) {
    case "object":
      return Object.fromEntries(Object.entries(found.properties ?? {})
        .filter(([name]) => depth < 4 && found.required?.includes(name))
        .map(([name, property]) => [name, example(doc, property, depth + 1)]));
    case "array": return depth < 4 ? [example(doc, found.items, depth + 1)] : [];
    case "integer": return Math.max(found.minimum ?? 1, 1);
    case "boolean": return true;
    default: return found.format === "date-time" ? "2026-11-22T08:30:00Z" : "…";
  }
}

function curl(doc, path, method, operation) {
  const filled = path.replace(/\{(\w+)\}/g, (whole, name) => {
    const parameter = operation.parameters?.find((p) => p.in === "path" && p.name === name);
    return String(example(doc, parameter?.schema) ?? whole);
  });
  const lines = [`curl ${location.origin}${filled}`];
  if (method !== "get") lines[0] = `curl -X ${method.toUpperCase()} ${location.origin}${filled}`;
  if (operation.security?.length) lines.push('-H "Authorization: Bearer $TOKEN"');
  for (const p of operation.parameters ?? []) {
    if (p.in === "header" && p.required) lines.push(`-H '${p.name}: ${example(doc, p.schema)}'`);
  }
  const body = operation.requestBody?.content?.["application/json"];
  if (body) {
    const sent = body.example ?? example(doc, body.schema);
    lines.push("-H 'Content-Type: application/json'", `-d '${JSON.stringify(sent)}'`);
  }
  return lines.join(" \\\n  ");
}

function show(doc, path, method, operation) {
  const who = operation.security?.map((s) => Object.keys(s).join(" and ")).join(" or ") ?? "public";
  const permission = operation["x-permission"] ? `, permission ${operation["x-permission"]}` : "";
  const section = element("section", { id: operation.operationId },
    element("h3", {}, operation.summary),
    element("p", {}, element("span", { class: "method" }, method.toUpperCase()), element("code", {}, path), " ",
      element("span", { class: "who" }, who + permission)));
  for (const text of (operation.description ?? "").split("\n\n")) {
    if (text) section.append(element("p", {}, text));
  }
  if (operation.parameters?.length) {
    section.append(element("h4", {}, "Parameters"), element("table", {},
      ...operation.parameters.map((p) => row(doc, `${p.name} (${p.in})`, p.schema, p.required, p.description))));
  }
  const body = operation.requestBody?.content?.["application/json"]?.schema;
  if (body) section.append(element("h4", {}, "Body"), members(doc, body));
  section.append(element("h4", {}, "Example"), element("pre", {}, curl(doc, path, method, operation)));
  for (const [status, answer] of Object.entries(operation.responses ?? {})) {
    const schema = Object.values(answer.content ?? {})[0]?.schema;
    const title = status === "default" ? "Any other status" : `Status ${status}`;
    section.append(element("details", {}, element("summary", {}, `${title}: ${answer.description}`),
      schema ? members(doc, schema) : null));
  }
  return section;
}

async function start() {
  const doc = await (await fetch("/openapi.json")).json();
  const main = document.getElementById("main");
  const nav = document.getElementById("nav");
  document.title = doc.info.title;
  const byTag = new Map();
  for (const [path, item] of Object.entries(doc.paths)) {
    for (const method of methods.filter((name) => item[name])) {
      const tag = item[method].tags?.[0] ?? "Other";
      if (!byTag.has(tag)) byTag.set(tag, []);
      byTag.get(tag).push({ path, method, operation: item[method] });
    }
  }
  main.replaceChildren(element("h1", {}, doc.info.title), element("p", {}, `Version ${doc.info.version}. `,
    "The document itself is ", element("a", { href: "/openapi.json" }, "openapi.json"), "."));
  const search = element("input", { type: "search", placeholder: "Search", "aria-label": "Search operations" });
  nav.append(search);
  for (const [tag, operations] of [...byTag].sort()) {
    nav.append(element("h2", {}, tag));
    main.append(element("h2", {}, tag));
    for (const { path, method, operation } of operations) {
      const link = element("a", { href: `#${operation.operationId}` }, operation.summary);
      link.dataset.text = `${tag} ${method} ${path} ${operation.summary}`.toLowerCase();
      nav.append(link);
      main.append(show(doc, path, method, operation));
    }
  }
  search.addEventListener("input", () => {
    for (const link of nav.querySelectorAll("a")) link.hidden = !link.dataset.text.includes(search.value.toLowerCase());
  });
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

start().catch((problem) => {
  document.getElementById("main").textContent = `openapi.json could not be shown: ${problem.message}`;
});
