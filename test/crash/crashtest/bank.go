package crashtest

import (
	"net/http"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
)

// checkBank compares the books of bank and card issuer with ours: the reserves with 1001 + 1101 − 1102, each person's
// account and card with the top-ups and withdrawals that succeeded, and what agreements count with the debits.
func (town *Town) checkBank(final map[string]string) {
	town.t.Helper()
	moved, debited := map[string]int64{}, map[string]int64{}
	for _, a := range town.acts {
		if !a.done() || final[a.result.ID] != stateSucceeded {
			continue
		}
		number, minor := a.payer.bankNumber, a.amount
		if a.kind == topUp {
			minor = -a.amount
		}
		if a.byCard {
			number = a.payer.cardNumber
			debited[a.payer.id] += max(0, -minor)
		}
		moved[number] += minor
	}
	balances := town.trial()
	ours := balances["1001"] + balances["1101"] - balances["1102"]
	reserves := town.checkAccounts(town.banks[0], moved) + town.checkAccounts(town.issuers[0], moved)
	if reserves != ours {
		town.t.Errorf("the reserves at bank and issuer are %d, ours %d: %v", reserves, ours, balances)
	}
	if len(debited) == 0 {
		town.t.Error("no card was debited: the test shows nothing about it")
	}
	for _, p := range town.people {
		var terms struct {
			Remaining flat `json:"remaining_today"`
		}
		town.must(call{Method: http.MethodGet, Path: "/wallet/v1/cards/" + p.cardID + "/agreement", Token: p.token}, &terms)
		if left := cardLimit - debited[p.id]; terms.Remaining.Amount != left && town.oneDay() {
			town.t.Errorf("%s leaves %d of its agreement, want %d", p.cardID, terms.Remaining.Amount, left)
		}
	}
}

// oneDay reports whether the operator's day has not changed since the town began.
func (town *Town) oneDay() bool {
	zone := time.FixedZone("CST", 8*60*60)
	return clock.DateOf(town.begun, zone) == clock.DateOf(town.now(), zone)
}

// checkAccounts compares accounts at a bank or issuer with what moved, and returns our reserve there.
func (town *Town) checkAccounts(party string, moved map[string]int64) (reserve int64) {
	town.t.Helper()
	var answer struct {
		Accounts []struct {
			Number, Kind string
			Balance      struct {
				Amount   int64
				Currency string
			}
		} `json:"accounts"`
	}
	town.at(party).must(call{Method: http.MethodGet, Path: "/control/accounts"}, &answer)
	for _, account := range answer.Accounts {
		if minor, known := moved[account.Number]; known && account.Balance.Amount != customerAtBank+minor {
			town.t.Errorf(
				"account %s at %s has %d, want %d",
				account.Number,
				party,
				account.Balance.Amount,
				customerAtBank+minor,
			)
		}
		if account.Kind == "reserve" && account.Balance.Currency == "CNY" {
			reserve += account.Balance.Amount
		}
	}
	return reserve
}
