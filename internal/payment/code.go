package payment

import (
	"context"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/wallet"
)

// createByCode charges a payment code in one commit. A code that does not hold is refused and
// nothing is written; too little money and a limit are declines, which are stored and burn the code.
func (p *Payments) createByCode(ctx context.Context, draft *Draft) (idempotency.Answer, error) {
	order, payment := draft.order, draft.payment
	code, err := wallet.ParseCode(order.Code)
	if err != nil {
		return idempotency.Answer{}, err
	}
	holder, customer, err := p.Wallets.Resolve(ctx, code.Handle)
	if err != nil {
		return idempotency.Answer{}, err
	}
	code = p.Wallets.Check(code, holder)
	payment.Flow, payment.Customer = ByCode, customer
	event := outbox.Event{Merchant: payment.Merchant, Subject: string(payment.ID)}
	charge, err := p.prepareCharge(
		ctx,
		&payment,
		draft.merchant,
		by{method: limit.PaymentCode, factors: codeFactors()},
		draft.splits,
	)
	if err != nil {
		return idempotency.Answer{}, err
	}
	keys := append(charge.keys(&payment), p.orderKeys(&payment)...)
	keys = append(keys, p.Wallets.CodeKey(code.Handle), p.Auth.PINKey(customer))
	return p.Keys.Once(ctx, order.Once, keys, func(tx *commit.Tx) (int, any, error) {
		row := payment.fresh()
		if err := draft.Allowed(); err != nil {
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
		if err := charge.doByCode(tx, &row); err != nil {
			decline := declineOf(err)
			if decline == "" {
				return 0, nil, err
			}
			row.State, row.DeclineCode, row.CompletedAt = Declined, decline, tx.Now()
		}
		p.put(tx, &row)
		event.Kind = "payment." + string(row.State)
		body, err := p.Outbox.Announce(tx, event, row)
		return statusCreated, body, err
	})
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
