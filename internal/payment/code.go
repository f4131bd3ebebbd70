package payment

import (
	"context"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/wallet"
)

// createByCode charges a payment code in one commit. A code that does not hold is refused and
// nothing is written; too little money and a limit are declines, which are stored and burn the code.
func (p *Payments) createByCode(ctx context.Context, order Order, merchant party.Merchant) (idempotency.Answer, error) {
	code, err := wallet.ParseCode(order.Code)
	if err != nil {
		return idempotency.Answer{}, err
	}
	holder, customer, err := p.Wallets.Resolve(ctx, code.Handle)
	if err != nil {
		return idempotency.Answer{}, err
	}
	code = p.Wallets.Check(code, holder)
	fee, err := feeOf(merchant, order.Amount)
	if err != nil {
		return idempotency.Answer{}, err
	}
	now := p.Clock.Now()
	payment := p.newPayment(order, now)
	payment.Flow, payment.Customer = ByCode, customer
	entry := ledger.NewEntry(
		now,
		string(payment.ID),
		p.flows.Payment(string(customer), string(order.Merchant), order.Amount, fee)...)
	event := outbox.Event{Merchant: payment.Merchant, Subject: string(payment.ID)}
	keys := append(p.Ledger.KeysOf(entry.Lines), p.orderKeys(&payment)...)
	keys = append(keys, p.Wallets.CodeKey(code.Handle))
	ask, err := p.Limits.Ask(ctx, limit.Act{
		Customer: customer, Amount: order.Amount, Method: limit.PaymentCode, Factors: codeFactors(),
	})
	if err != nil {
		return idempotency.Answer{}, err
	}
	keys = append(keys, ask.Keys()...)
	return p.Keys.Once(ctx, order.Once, keys, func(tx *commit.Tx) (int, any, error) {
		row := payment
		if err := mayTakePayments(merchant); err != nil {
			return 0, nil, err
		}
		if err := p.checkReference(tx, &row); err != nil {
			return 0, nil, err
		}
		device, err := p.Wallets.UseCode(tx, code)
		if err != nil {
			return 0, nil, err
		}
		if device.Customer != customer {
			return 0, nil, fault.New(fault.Conflict, "wallet.code_invalid", "the payment code is not valid")
		}
		row.device, row.CreatedAt, row.ExpiresAt = device.ID, tx.Now(), tx.Now()
		if err := p.pay(tx, &row, entry, fee, ask); err != nil {
			decline := declineOf(err)
			if decline == "" {
				return 0, nil, err
			}
			row.State, row.DeclineCode, row.CompletedAt = Declined, decline, tx.Now()
		}
		p.payments.Put(tx, row)
		event.Kind = "payment." + string(row.State)
		body, err := p.Outbox.Announce(tx, event, row)
		return statusCreated, body, err
	})
}

// pay asks the limits, posts the entry, counts the payment and moves it to succeeded. Where it refuses, nothing is
// written.
func (p *Payments) pay(
	tx *commit.Tx,
	payment *Payment,
	entry ledger.Entry,
	fee money.Amount,
	ask *limit.Ask,
) error {
	state, err := payment.State.Move(Succeeded)
	if err != nil {
		return err
	}
	counted, err := ask.Check(tx)
	if err != nil {
		return err
	}
	if err := p.Ledger.Post(tx, entry); err != nil {
		return err
	}
	counted.Put(tx)
	payment.State, payment.Fee, payment.Entry, payment.CompletedAt = state, fee, entry.ID, tx.Now()
	return nil
}

// declineOf returns the decline code for a refusal of the books or limits that is the payer's matter, "" for
// any other error.
func declineOf(err error) string {
	switch fault.CodeOf(err) {
	case "ledger.insufficient_funds":
		return DeclineInsufficientFunds
	case "ledger.account_frozen", "ledger.account_closed":
		return DeclineAccountFrozen
	}
	return limitDecline(err)
}

// feeOf is the merchant's fee: a share in basis points, rounded half-up to the minor unit, and a
// fixed part; never more than the amount.
func feeOf(merchant party.Merchant, amount money.Amount) (money.Amount, error) {
	share, err := money.BasisPoints(merchant.FeeBps).Of(amount)
	if err != nil {
		return money.Amount{}, err
	}
	fee, err := share.Add(money.Amount{Minor: merchant.FeeFixedMinor, Currency: amount.Currency})
	if err != nil {
		return money.Amount{}, err
	}
	fee.Minor = min(fee.Minor, amount.Minor)
	return fee, nil
}
