import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { Webhook, WebhookError } from "@feiqian/sdk";

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const other = `whsec_${Buffer.from("another secret of 32 bytes......").toString("base64")}`;
const at = 1614265330;
const body = JSON.stringify({
  id: "evt_1",
  kind: "payment.succeeded",
  subject: "pay_1",
  data: { id: "pay_1" },
});

/** @param {string} under @param {number} instant @param {string} text */
function sign(under, instant, text) {
  const mac = createHmac("sha256", Buffer.from(under.slice(6), "base64"));
  return `v1,${mac.update(`msg_p5jXN8AQM9LWM0D4loKWxJek.${instant}.${text}`).digest("base64")}`;
}

/** @param {string} signature @param {number} [instant] */
const headers = (signature, instant = at) => ({
  "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
  "webhook-timestamp": String(instant),
  "webhook-signature": signature,
});

test("signs the standard's example as its own libraries do", () => {
  assert.equal(sign(secret, at, '{"test": 2432232314}'), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
});

const good = sign(secret, at, body);
/** @type {[string, import("@feiqian/sdk").WebhookHeaders, string, boolean][]} */
const cases = [
  ["genuine", headers(good), body, true],
  ["genuine, as fetch has headers", new Headers(headers(good)), body, true],
  ["rotated: the other secret first", headers(`${sign(other, at, body)} ${good}`), body, true],
  ["beside an asymmetric one", headers(`v1a,AAAA ${good}`), body, true],
  ["five minutes old", headers(sign(secret, at - 300, body), at - 300), body, true],
  ["replayed later", headers(sign(secret, at - 301, body), at - 301), body, false],
  ["from the future", headers(sign(secret, at + 301, body), at + 301), body, false],
  ["with another instant", headers(good, at + 1), body, false],
  ["tampered", headers(good), body.replace("pay_1", "pay_2"), false],
  ["under another secret", headers(sign(other, at, body)), body, false],
  ["without its version", headers(good.slice(3)), body, false],
  ["not base64", headers("v1,%%%"), body, false],
  ["signed a thousand times", headers("v1,x ".repeat(1000) + good), body, false],
  ["unsigned", headers(""), body, false],
  ["without headers", {}, body, false],
  ["without an event", headers(sign(secret, at, "[]")), "[]", false],
];
for (const [name, given, text, fine] of cases) {
  test(`a webhook that is ${name} is ${fine ? "taken" : "refused"}`, async () => {
    const hook = new Webhook(secret, () => at * 1000);
    if (fine) assert.equal((await hook.verify(given, Buffer.from(text))).id, "evt_1");
    else await assert.rejects(hook.verify(given, text), WebhookError);
  });
}

test("takes several secrets and refuses what is none", async () => {
  const hook = new Webhook([other, secret], () => at * 1000);
  assert.equal((await hook.verify(headers(good), body)).id, "evt_1");
  for (const wrong of ["", "whsec_", "whsec_c2hvcnQ=", "whsec_%%%", []])
    assert.throws(() => new Webhook(wrong), TypeError);
});
