// Sells something by a payment that the payer confirms, waits for the payment, and refunds a part of it.
//
//     FEIQIAN_URL=http://127.0.0.1:8080 FEIQIAN_KEY=sk_sandbox_… node examples/sell.js
import { Feiqian } from "@feiqian/sdk";

const feiqian = new Feiqian(process.env.FEIQIAN_KEY ?? "", { baseUrl: process.env.FEIQIAN_URL ?? "" });
const reference = `order-${Date.now()}`;

const payment = await feiqian.payments.create(
  { amount: 1999, currency: "CNY", reference, description: "Tea for two" },
  { idempotencyKey: reference },
);
console.log("created", payment.id);

// Follow the events: they come in order, and none is lost. A shop keeps next_cursor in its database.
for await (const page of feiqian.events.follow({
  subject: payment.id,
  signal: AbortSignal.timeout(60_000),
})) {
  const kinds = (page.data ?? []).map((event) => event.kind);
  if (kinds.includes("payment.succeeded")) break;
}

// What counts is what the API says now.
const { state, amount, currency } = await feiqian.payments.retrieve(payment.id);
console.log(state, amount, currency);

const refund = await feiqian.payments.refund(payment.id, { amount: 500, reason: "cold" });
console.log("refund", refund.state, refund.amount);
