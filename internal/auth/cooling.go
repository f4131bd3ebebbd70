package auth

import (
	"time"

	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

// A wallet that was recovered cools off: for a day it pays a small sum only, counted over all that takes money out of
// it, payment codes too, whose device may be the thief's.

// coolingFor is how long a recovered wallet pays a small sum only.
const coolingFor = 24 * time.Hour

// coolingWhole is the whole sum in the parts that are counted: a wallet with two currencies has one sum. It divides
// by each amount of coolingMax, so that nothing is rounded.
const coolingWhole = 60_000

// coolingMax is what a wallet may pay while it cools off, in minor units; 0 for currencies that are not named.
func coolingMax(c money.Currency) int64 {
	return map[money.Currency]int64{"CNY": 200_00, "EUR": 30_00}[c]
}

// beginCooling lets a wallet cool off from now on. Of an earlier time that still runs, what was paid stays counted
// and the old PIN can still be put back.
func (p *pin) beginCooling(now time.Time) {
	if !p.cools(now) {
		p.CoolingSpent, p.PreviousMAC = 0, ""
	}
	p.CoolingUntil = now.Add(coolingFor)
}

func (p *pin) cools(now time.Time) bool { return now.Before(p.CoolingUntil) }

// Cooling is an act that a wallet may do although it cools off. The zero value counts nothing.
type Cooling struct {
	auth     *Auth
	customer id.Customer
	parts    int64
}

// Put counts the act, in a decision that does it.
func (c Cooling) Put(tx *commit.Tx) error {
	if c.auth == nil {
		return nil
	}
	row, _, err := c.auth.pinTable.Get(tx, c.auth.PINKey(c.customer))
	if err != nil {
		return err
	}
	row.CoolingSpent += c.parts
	c.auth.pinTable.Put(tx, row)
	return nil
}

// RequireSettled refuses what a wallet that cools off may not pay; the decision declared PINKey. Errors:
// auth.cooling_off (Forbidden, with RetryAfter).
func (a *Auth) RequireSettled(tx *commit.Tx, customer id.Customer, amount money.Amount) (Cooling, error) {
	row, found, err := a.pinTable.Get(tx, a.PINKey(customer))
	if err != nil || !found || !row.cools(tx.Now()) {
		return Cooling{}, err
	}
	if most := coolingMax(amount.Currency); 0 < most && amount.Minor <= most {
		parts := amount.Minor * (coolingWhole / most)
		if row.CoolingSpent+parts <= coolingWhole {
			return Cooling{auth: a, customer: customer, parts: parts}, nil
		}
	}
	return Cooling{}, fault.New(fault.Forbidden, "auth.cooling_off",
		"password or payment PIN were reset less than a day ago: until then this wallet pays a small sum only").
		WithHint("wait, or put the old PIN back at POST /wallet/v1/pin/restore").
		WithRetryAfter(row.CoolingUntil.Sub(tx.Now()))
}

// ReturnSettled takes an act that was counted at an instant, and was not done after all, out of what a wallet that
// cools off has spent; the decision declared PINKey. Where the wallet was recovered again since, the act stays counted.
func (a *Auth) ReturnSettled(tx *commit.Tx, customer id.Customer, amount money.Amount, at time.Time) error {
	row, found, err := a.pinTable.Get(tx, a.PINKey(customer))
	most := coolingMax(amount.Currency)
	if err != nil || !found || most == 0 || !row.cools(tx.Now()) || at.Before(row.CoolingUntil.Add(-coolingFor)) {
		return err
	}
	row.CoolingSpent = max(0, row.CoolingSpent-amount.Minor*(coolingWhole/most))
	a.pinTable.Put(tx, row)
	return nil
}
