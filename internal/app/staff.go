package app

import (
	"context"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/sqldb"
)

// AddStaff stores a new person of the staff, beside a running server or without one. It needs the database and nothing
// else: no key file is read or made. Errors: those of auth.CreateStaff.
func AddStaff(ctx context.Context, db *sqldb.DB, mode config.Mode, person auth.NewStaff) (party.Staff, error) {
	clk := &clock.Clock{}
	c := commit.New(db, clk, commit.Options{})
	parties := party.New(c, db, clk)
	parties.Trail = audit.New(c, db, clk)
	door := auth.New(auth.Parts{Committer: c, DB: db, Clock: clk, Parties: parties, Mode: string(mode)})
	if err := c.Start(ctx); err != nil {
		return party.Staff{}, err
	}
	defer c.Close()
	return door.CreateStaff(ctx, person)
}

// Missing says in plain words what an instance lacks to be of use, each with what to do.
func (a *App) Missing(ctx context.Context) ([]string, error) {
	var missing []string
	if len(a.channels) == 0 {
		missing = append(missing, "no channel to a bank: top-ups, withdrawals and links to bank accounts are refused; "+
			"this version has none for live instances yet")
	}
	if a.Cards.Issuer == nil {
		missing = append(missing, "no connection to card issuers: no card can be bound")
	}
	if a.sender == nil {
		missing = append(
			missing,
			"no SMS centre: nobody gets a one-time code, so nobody registers or signs in on a new device; "+
				"this version has none for live instances yet",
		)
	}
	if len(a.Auth.RelyingParty().Origins) == 0 {
		missing = append(missing, "no web_origins: passkeys are off")
	}
	has, err := a.Parties.HasStaff(ctx)
	if err == nil && !has {
		missing = append(missing, "no staff: make the first person with `feiqian staff add --role admin`")
	}
	return missing, err
}
