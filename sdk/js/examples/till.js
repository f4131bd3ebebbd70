// Charges the payment code of a payer's phone, as a till scanned it: one call, one final answer.
//
//     FEIQIAN_URL=http://127.0.0.1:8080 FEIQIAN_KEY=sk_sandbox_… node examples/till.js '9500 0000 …'
import { Feiqian, FeiqianError, parsePaymentCode } from "@feiqian/sdk";

const feiqian = new Feiqian(process.env.FEIQIAN_KEY ?? "", { baseUrl: process.env.FEIQIAN_URL ?? "" });

const code = parsePaymentCode(process.argv[2] ?? "");
if (code === undefined) {
  console.log("that is not a payment code: scan again");
  process.exit(1);
}
try {
  const payment = await feiqian.payments.create({ amount: 1200, currency: "CNY", payment_code: code });
  console.log(payment.state, payment.decline_code ?? "");
} catch (error) {
  if (!(error instanceof FeiqianError) || !error.code.startsWith("wallet.code_")) throw error;
  console.log("ask for a fresh code:", error.code);
}
