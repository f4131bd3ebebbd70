// Does what a merchant sets up once: a rule for splits, rules for refunds, a payment link, a printed code, a webhook
// endpoint, the sites that may show the page. Then it takes all of it back.
//
//     FEIQIAN_URL=http://127.0.0.1:8080 FEIQIAN_KEY=sk_sandbox_… node examples/house.js mer_…
//
// The argument is a merchant that receives a part of each payment.
import { Feiqian } from "@feiqian/sdk";

const feiqian = new Feiqian(process.env.FEIQIAN_KEY ?? "", { baseUrl: process.env.FEIQIAN_URL ?? "" });
const partner = process.argv[2];
if (partner === undefined) throw new Error("name the merchant that receives a part: mer_…");

const rule = await feiqian.splitRules.create("partner", [{ receiver_id: partner, bps: 1000 }]);

const link = await feiqian.paymentLinks.create({
  amount: 9900,
  description: "Spring course",
  uses_max: 30,
  split_rule_id: rule.id,
});
const code = await feiqian.qrCodes.create({ description: "Tea", split_rule_id: rule.id });
const picture = await feiqian.qrCodes.draw(code.id, { format: "svg" });
console.log("made link", link.state, "code", code.state, new TextDecoder().decode(picture.slice(0, 4)));
for await (const known of feiqian.paymentLinks.all({ state: "active" })) {
  if (known.id === link.id) console.log("listed");
}
const back = await feiqian.paymentLinks.disable(link.id);
console.log("taken back link", back.state, "code", (await feiqian.qrCodes.disable(code.id)).state);

// Keep the secret of an endpoint: it is shown this once.
const hook = await feiqian.webhookEndpoints.create({
  url: `http://127.0.0.1:9/${Date.now()}`,
  kinds: ["payment.*"],
});
await feiqian.webhookEndpoints.rotateSecret(hook.id, 3600);
const tried = await feiqian.webhookEndpoints.test(hook.id);
console.log("webhook", hook.state, tried.problem);
await feiqian.webhookEndpoints.delete(hook.id);

const rules = await feiqian.refunds.setRules({ payer_requests: "review", review_above: 50_000 });
const { origins } = await feiqian.checkouts.setOrigins(["http://localhost:3000"]);
console.log("rules", rules.payer_requests, rules.review_above, `[${origins.join(" ")}]`);
await feiqian.splitRules.end(rule.id);
