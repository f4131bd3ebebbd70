package payment

import (
	"context"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/money"
)

// DeclineLimitExceeded is the decline code of a payment by code that a limit forbids, also that of a wallet which cools
// off after a recovery. The merchant does not learn which one; the payer sees limits at GET /wallet/v1/limits.
const DeclineLimitExceeded = "limit_exceeded"

// What limit and auth refuse with.
const (
	codeLimitExceeded = "limit.exceeded"
	codeCoolingOff    = "auth.cooling_off"
)

// shown are the factors of a proof as the limits count them: no act goes through that did not show them all. The
// session's device is none of them: its token can be copied (docs/decisions/0004-device-proof.md).
func shown(p auth.Proof) limit.Factors { return limit.Factors(p.Offers()) }

// require refuses a decision that is not confirmed as what was paid today wants it. See auth.Confirming.Require.
func require(tx *commit.Tx, confirming *auth.Confirming, ask *limit.Ask) error {
	today, err := ask.Today(tx)
	if err != nil {
		return err
	}
	return confirming.Require(tx, today)
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
	if code := fault.CodeOf(err); code == codeLimitExceeded || code == codeCoolingOff {
		return DeclineLimitExceeded
	}
	return ""
}
