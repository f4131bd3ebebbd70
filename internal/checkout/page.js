(() => {
"use strict";
const $ = (id) => document.getElementById(id), page = document.body.dataset, T = JSON.parse($("texts").textContent);
const framed = window.parent !== window, here = new URL(location.href), paysCode = page.mode === "code";
// A private window may refuse storage: then signing in lasts as long as the page.
const keep = (box) => ({
  get(name) { try { return box().getItem(name) || ""; } catch { return ""; } },
  set(name, value) { try { value ? box().setItem(name, value) : box().removeItem(name); } catch { /* see above */ } },
});
const tab = keep(() => sessionStorage), phoneBox = keep(() => localStorage);
let token = tab.get("feiqian.token"), codeID = "", enterCodeID = "", needs = null, act = "", actFor = "";

const say = (text) => { $("said").textContent = text || ""; $("said").hidden = !text; };
const random = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");

async function call(method, path, body, key) {
  const headers = {};
  if (token) headers.Authorization = "Bearer " + token;
  if (body) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  let answer;
  try {
    answer = await fetch(path, {method, headers, body: body && JSON.stringify(body), cache: "no-store", credentials: "omit"});
  } catch {
    throw {code: "network", detail: T.network};
  }
  const told = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (answer.ok) return told;
  if (told && told.code === "auth.session_invalid") signOut();
  throw Object.assign({code: "", detail: T.failed}, told);
}

// What the server refuses in words of the payer; other refusals are shown as the server says them.
const explain = (problem) => T[problem.code] || [problem.detail || problem.title, problem.hint].filter(Boolean).join(" · ");

async function busy(button, work) {
  say("");
  button.disabled = true;
  try { await work(); } catch (problem) {
    if (!problem || problem.code === undefined) console.error(problem);
    say(explain(problem && problem.code !== undefined ? problem : {code: "", detail: T.failed}));
  } finally { button.disabled = false; }
}

// --- the time that is left, and the state, which is the server's ---
const ends = performance.now() + Number(page.left || 0);
function tick() {
  const left = Math.max(0, Math.ceil((ends - performance.now()) / 1000));
  $("clock").textContent = String(Math.floor(left / 60)).padStart(2, "0") + ":" + String(left % 60).padStart(2, "0");
  if (left === 0) look();
}
const about = (what) => here.pathname + what + "?key=" + encodeURIComponent(here.searchParams.get("key") || "");
function seen(told) { if (told.phase !== page.phase) location.replace(location.href); }
async function look() { try { seen(await call("GET", about("/state"))); } catch { /* the next look may do better */ } }
function watch() {
  let polling = 0;
  const poll = () => { polling = polling || setInterval(look, 3000); };
  if (!("EventSource" in window)) return poll();
  let failures = 0;
  const stream = new EventSource(about("/events"));
  stream.addEventListener("state", (event) => { failures = 0; seen(JSON.parse(event.data)); });
  stream.onerror = () => { if (++failures > 2 || stream.readyState === EventSource.CLOSED) { stream.close(); poll(); } };
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
}

// --- who pays ---
function signOut() {
  token = "";
  tab.set("feiqian.token", "");
  $("who").hidden = $("pay").hidden = true;
  $("enter").hidden = false;
}
async function signedIn() {
  const me = await call("GET", "/wallet/v1/me");
  $("name").textContent = me.name + " " + (me.phone || "").replace(/^(.*)(\d{4})$/, (_, a, b) => a.replace(/\d/g, "•") + b);
  $("enter").hidden = true;
  $("who").hidden = $("pay").hidden = false;
  if (!me.has_pin) say(T.no_pin);
  await prepare();
}
async function enter() {
  const body = {phone: $("phone").value.trim(), password: $("password").value, device_name: T.device};
  const device = phoneBox.get("feiqian.device"), code = $("enter-code").value.trim();
  if (device) body.device_id = device;
  if (enterCodeID && code) Object.assign(body, {code_id: enterCodeID, code});
  try {
    const told = await call("POST", "/wallet/v1/login", body);
    token = told.token;
    tab.set("feiqian.token", token);
    phoneBox.set("feiqian.device", told.device.id);
    $("password").value = $("enter-code").value = enterCodeID = "";
    $("enter-code-row").hidden = true;
  } catch (problem) {
    if (problem.code !== "auth.code_required") throw problem;
    const sent = await call("POST", "/wallet/v1/codes", {phone: body.phone, purpose: "sign_in"});
    enterCodeID = sent.code_id;
    $("enter-code-row").hidden = false;
    $("enter-code").focus();
    return say(T.code_sent);
  }
  await signedIn();
}

// --- how it is confirmed ---
// amount reads what the payer typed as minor units; 0 where it is no amount.
function amount() {
  if (Number(page.minor)) return Number(page.minor);
  const places = Number(page.exponent), typed = $("ask").value.trim().replace("，", ".").replace(",", ".");
  const match = /^(\d{1,12})(?:\.(\d*))?$/.exec(typed);
  if (!match || (match[2] || "").length > places) return 0;
  const minor = Number(match[1] + (match[2] || "").padEnd(places, "0"));
  return Number.isSafeInteger(minor) ? minor : 0;
}
function question(want) {
  const body = {act: "payment"};
  if (paysCode) Object.assign(body, {qr_code_id: page.subject, amount: amount(), currency: page.currency});
  else body.payment_id = page.subject;
  if (want) body.want = want;
  return call("POST", "/wallet/v1/confirmations", body);
}
async function prepare() {
  if (paysCode && !amount()) return;
  const query = paysCode ? "qr_code_id=" + page.subject + "&amount=" + amount() : "payment_id=" + page.subject;
  const [asked, ways] = await Promise.all([question(), call("GET", "/wallet/v1/payment_ways?on_phone=" + (page.phone === "true") + "&" + query)]);
  needs = asked;
  offer(ways.data.filter((way) => own(way) === "balance"));
  fit();
  if (!paysCode) arrange(ways.data);
}
// The balance and the cards are one panel, with a choice in it: the best first.
const own = (way) => way.method === "card" ? "balance" : way.method;
let mine = [];
const chosen = () => mine.find((way) => (way.card_id || "") === $("with").value) || mine[0];
function offer(ways) {
  const before = mine.length ? $("with").value : null;
  mine = ways;
  $("with").replaceChildren(...ways.map((way) => {
    const option = new Option(way.title[T.lang] + " · " + way.reason[T.lang], way.card_id || "");
    option.disabled = !way.usable;
    return option;
  }));
  const kept = ways.find((way) => way.usable && (way.card_id || "") === before) || ways[0];
  $("with").value = kept.card_id || "";
  $("with-row").hidden = ways.length < 2;
}
// fit asks for what the chosen way needs.
function fit() {
  const balance = chosen(), factors = balance.factors || needs.factors;
  const two = !factors.includes("pin"), only = !factors.some((f) => f.startsWith("pin"));
  $("second").hidden = !two || only;
  $("pin-row").hidden = $("pay-do").hidden = only;
  $("passkey").hidden = framed || !(two && window.PublicKeyCredential); // passkeys sign in a window of our own only
  $("alone").hidden = !(framed && only);
  $("needs").textContent = [balance.usable && balance.method === "card" ? "" : balance.usable && balance.left_minor !== undefined ? T.can_pay + " " + money(balance.left_minor) : balance.reason[T.lang],
    only ? T.only_passkey : two ? T.two_factors : ""].filter(Boolean).join(" · ");
  $("pay-do").disabled = $("passkey").disabled = !balance.usable;
}
function money(minor) {
  const places = Number(page.exponent), digits = String(minor).padStart(places + 1, "0");
  return T.symbol + digits.slice(0, digits.length - places) + (places ? "." + digits.slice(-places) : "");
}
let arranged = false;
function arrange(all) {
  const ways = all.filter((way, i) => all.findIndex((other) => own(other) === own(way)) === i);
  // Who is signed in already sees the best way open; later, what the payer opened stays open.
  if (!arranged && ways[0].usable) document.querySelector('[data-method="' + own(ways[0]) + '"]').open = true;
  arranged = true;
  ways.forEach((way, i) => {
    const shown = document.querySelector('[data-method="' + own(way) + '"]');
    if (!shown) return;
    shown.querySelector(".reason").textContent = (way.method === "card" ? way.title[T.lang] + " · " : "") + way.reason[T.lang];
    shown.querySelector(".tag").hidden = i > 0 || !way.usable;
    shown.classList.toggle("hint", !way.usable);
    // To move an element takes the keyboard out of its fields: only what is out of place moves.
    if ($("ways").children[i] !== shown && !shown.contains(document.activeElement)) $("ways").insertBefore(shown, $("ways").children[i]);
  });
}
// key names the act: the same for a retry, another one for another amount.
function key() {
  const now = page.subject + "/" + amount() + "/" + $("with").value;
  if (now !== actFor) { act = random(); actFor = now; }
  return act;
}
async function confirm(proof) {
  const body = proof, card = $("with").value;
  if (card) body.card_id = card;
  if (paysCode) {
    if (!amount()) { $("ask").focus(); throw {code: "qr.amount_required"}; }
    Object.assign(body, {amount: amount(), currency: page.currency});
  }
  const path = paysCode ? "/wallet/v1/qr_codes/" + page.subject + "/pay" : "/wallet/v1/payments/" + page.subject + "/confirm";
  try {
    let told = await call("POST", path, body, key());
    actFor = ""; // what follows is another act
    if (told.state === "processing") {
      say(T.bank_decides);
      told = await decided(told.id);
      if (told.state === "created" || told.state === "declined") {
        if (!paysCode) await prepare();
        throw {code: "card_declined"};
      }
      say("");
    }
    if (paysCode) return done(told);
    await look();
  } catch (problem) {
    if (problem.code === "auth.step_up_required") await prepare();
    throw problem;
  } finally { $("pin").value = $("code").value = ""; }
}
// decided waits for the word of the card's bank; a lost connection is no word.
async function decided(id) {
  for (;;) {
    const told = await call("GET", "/wallet/v1/payments/" + id + "?wait=20").catch((problem) => {
      if (problem.code !== "network") throw problem;
      return new Promise((go) => setTimeout(go, 2000));
    });
    if (told && told.state !== "processing") return told;
  }
}
function done(told) {
  const box = document.createElement("section"), add = (tag, cls, text) => {
    const element = document.createElement(tag);
    element.className = cls;
    element.textContent = text;
    box.append(element);
  };
  box.className = "result paid";
  box.id = "result";
  box.setAttribute("role", "status");
  add("p", "mark", "✓");
  add("h1", "", T.paid);
  add("p", "amount", money(told.amount));
  add("p", "", told.merchant_name || "");
  add("p", "small", told.id);
  document.querySelectorAll("main > :not(header):not(.sandbox)").forEach((element) => element.remove());
  document.querySelector("header").after(box);
}
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
async function byPasskey() {
  if (paysCode && !amount()) throw {code: "qr.amount_required"};
  const ask = (await question("passkey")).passkey;
  const answer = await navigator.credentials.get({publicKey: {
    challenge: bytes(ask.challenge), rpId: ask.rp_id, userVerification: "required",
    allowCredentials: ask.credential_ids.map((id) => ({type: "public-key", id: bytes(id)})),
  }}).catch(() => { throw {code: "passkey_refused", detail: T.passkey_refused}; });
  await confirm({passkey: {challenge_id: ask.challenge_id, credential: JSON.stringify(answer)}});
}
async function byPIN() {
  const proof = {pin: $("pin").value}, code = $("code").value.trim();
  if (!/^[0-9]{6}$/.test(proof.pin)) { $("pin").focus(); throw {code: "auth.bad_pin"}; }
  if (!$("second").hidden) {
    if (!code) { $("code").focus(); throw {code: "second_missing", detail: T.second_missing}; }
    if (codeID) Object.assign(proof, {code_id: codeID, code}); else proof.totp = code;
  }
  await confirm(proof);
}

// --- within a shop's own page: that page hears the state and nothing else, and leads on from there by itself ---
if (framed) {
  document.body.classList.add("framed");
  const around = location.ancestorOrigins;
  document.querySelectorAll("#back, #alone, .leave a").forEach((link) => { link.target = "_top"; });
  (page.frames || "").split(" ").filter((origin) => origin && (!around || around[0] === origin)).forEach((origin) => {
    window.parent.postMessage({type: "feiqian.checkout", state: page.state}, origin);
  });
}

const on = (name, event, work) => $(name).addEventListener(event, (e) => { e.preventDefault(); busy(e.submitter || e.currentTarget, work); });
if ($("wallet")) {
  on("enter", "submit", enter);
  on("pay", "submit", byPIN);
  on("passkey", "click", byPasskey);
  $("with").addEventListener("change", fit);
  on("send", "click", async () => { codeID = (await question("code")).code.code_id; say(T.code_sent); $("code").focus(); });
  on("leave", "click", async () => { try { await call("POST", "/wallet/v1/logout"); } finally { signOut(); } });
  if (paysCode && $("ask")) $("ask").addEventListener("change", () => { if (token) prepare().catch((p) => say(explain(p))); });
  if (token) signedIn().catch((problem) => { if (token) say(explain(problem)); });
}
if ($("clock")) { tick(); setInterval(tick, 1000); }
if (page.mode === "pay" && page.phase === "open" || page.phase === "pending") watch();
if (page.mode === "pay" && page.phase === "paid" && $("back") && !framed) setTimeout(() => { location.href = $("back").href; }, 5000);
})();
