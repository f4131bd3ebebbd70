package ledger

import (
	"context"
	"math/big"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/money"
)

// TrialLine sums the accounts of one code and currency: Debits and Credits are all that was posted,
// Balance is on the code's normal side.
type TrialLine struct {
	ChartLine
	Currency money.Currency `json:"currency"`
	Accounts int64          `json:"accounts"`
	Debits   int64          `json:"debits"`
	Credits  int64          `json:"credits"`
	Balance  int64          `json:"balance"`
}

// Trial is the trial balance and what must be true of it, per currency.
type Trial struct {
	Lines  []TrialLine  `json:"lines"`
	Proofs []TrialProof `json:"proofs"`
}

// TrialProof says for one currency that debits equal credits in each book, that the two mirror
// accounts sum to zero, and that what clients own equals what is held for them. Amounts are minor units.
type TrialProof struct {
	Currency      money.Currency `json:"currency"`
	ClientsDebits int64          `json:"clients_debits"`
	ClientsCredit int64          `json:"clients_credits"`
	OwnDebits     int64          `json:"own_debits"`
	OwnCredits    int64          `json:"own_credits"`
	Mirror        int64          `json:"mirror"`
	HeldForThem   int64          `json:"held_for_clients"`
	OwedToThem    int64          `json:"owed_to_clients"`
	OK            bool           `json:"ok"`
}

// Trial reads the trial balance on one snapshot.
func (l *Ledger) Trial(ctx context.Context) (Trial, error) {
	rows, err := l.db.Read.QueryContext(
		ctx,
		`SELECT code, currency, count(*), CAST(sum(debits_posted) AS TEXT), CAST(sum(credits_posted) AS TEXT)
		FROM accounts GROUP BY code, currency ORDER BY currency, code`,
	)
	if err != nil {
		return Trial{}, fault.Wrap(err, "read trial balance")
	}
	defer rows.Close()
	trial := Trial{Lines: []TrialLine{}, Proofs: []TrialProof{}}
	for rows.Next() {
		var (
			line            TrialLine
			code            Code
			debits, credits string
		)
		if err := rows.Scan(&code, &line.Currency, &line.Accounts, &debits, &credits); err != nil {
			return Trial{}, fault.Wrap(err, "read trial balance")
		}
		if line.ChartLine, err = l.line(code); err != nil {
			return Trial{}, err
		}
		if line.Debits, line.Credits, err = whole(debits, credits); err != nil {
			return Trial{}, err
		}
		line.Balance = line.Debits - line.Credits
		if line.Side == Credit {
			line.Balance = -line.Balance
		}
		trial.Lines = append(trial.Lines, line)
	}
	trial.prove()
	return trial, fault.Wrap(rows.Err(), "read trial balance")
}

// whole reads two sums that must fit in 64 bits.
func whole(debits, credits string) (int64, int64, error) {
	d, okD := new(big.Int).SetString(debits, 10)
	c, okC := new(big.Int).SetString(credits, 10)
	if !okD || !okC || !d.IsInt64() || !c.IsInt64() {
		return 0, 0, fault.New(fault.Internal, "ledger.sum_too_large", "a sum of the books is too large to show")
	}
	return d.Int64(), c.Int64(), nil
}

// prove sums the lines of each currency; lines are ordered by currency.
func (t *Trial) prove() {
	for _, line := range t.Lines {
		if n := len(t.Proofs); n == 0 || t.Proofs[n-1].Currency != line.Currency {
			t.Proofs = append(t.Proofs, TrialProof{Currency: line.Currency})
		}
		t.Proofs[len(t.Proofs)-1].add(line)
	}
	for i := range t.Proofs {
		p := &t.Proofs[i]
		p.OK = p.ClientsDebits == p.ClientsCredit && p.OwnDebits == p.OwnCredits && p.Mirror == 0 &&
			p.HeldForThem == p.OwedToThem
	}
}

func (p *TrialProof) add(line TrialLine) {
	if line.Code == DueFromOwnFunds || line.Code == DueFromReserve {
		p.Mirror += line.Balance
	}
	if line.Book == Own {
		p.OwnDebits += line.Debits
		p.OwnCredits += line.Credits
		return
	}
	p.ClientsDebits += line.Debits
	p.ClientsCredit += line.Credits
	switch {
	case line.Code == PayoutsInTransit:
		p.HeldForThem -= line.Balance // on its way to a client, and no longer owed
	case line.Side == Debit:
		p.HeldForThem += line.Balance
	default:
		p.OwedToThem += line.Balance
	}
}
