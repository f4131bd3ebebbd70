package payment

import (
	"context"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/money"
)

// DeclineLimitExceeded is the decline code of a payment by code that a limit forbids. The merchant does not learn which
// one; the payer sees it at GET /wallet/v1/limits.
const DeclineLimitExceeded = "limit_exceeded"

// codeLimitExceeded is what limit refuses with.
const codeLimitExceeded = "limit.exceeded"

// pinFactors are the factors of an act with the right PIN: from a session that is bound to a device they are two.
func pinFactors(device id.Device) limit.Factors {
	return limit.Factors{Knowledge: true, Possession: device != ""}
}

// codeFactors are those of a payment code: only the payer's phone can make it.
func codeFactors() limit.Factors { return limit.Factors{Possession: true} }

// askTopUp prepares the question whether a top-up may be done. It is counted without regard to factors.
func (p *Payments) askTopUp(ctx context.Context, customer id.Customer, amount money.Amount) (*limit.Ask, error) {
	return p.Limits.Ask(ctx, topUpAct(customer, amount))
}

func topUpAct(customer id.Customer, amount money.Amount) limit.Act {
	return limit.Act{Customer: customer, Amount: amount, Method: limit.TopUp}
}

// limitDecline returns the decline code of a limit, "" for any other error.
func limitDecline(err error) string {
	if fault.CodeOf(err) == codeLimitExceeded {
		return DeclineLimitExceeded
	}
	return ""
}
