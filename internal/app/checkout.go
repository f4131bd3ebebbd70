package app

import (
	"time"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/checkout"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/edge"
	"github.com/feiqian/feiqian/internal/inapp"
	"github.com/feiqian/feiqian/internal/instruction"
	"github.com/feiqian/feiqian/internal/jws"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/outbox"
	"github.com/feiqian/feiqian/internal/qr"
)

// wireCheckout makes receive codes and hosted pages. They lead to the first of the web origins.
func (a *App) wireCheckout(events *outbox.Outbox, zone *time.Location, currencies []money.Currency) {
	origin := ""
	if origins := a.Auth.RelyingParty().Origins; len(origins) > 0 {
		origin = origins[0]
	}
	a.Codes = qr.New(qr.Parts{
		Committer: a.Committer, DB: a.DB, Clock: a.Clock, Vault: a.Vault, Outbox: events, Keys: a.keys, Parties: a.Parties,
		Payments: a.Payments, Origin: origin, Country: country(a.Config.Jurisdiction), Zone: zone, Currencies: currencies,
	})
	a.Checkouts = checkout.New(checkout.Parts{
		Committer: a.Committer,
		DB:        a.DB,
		Clock:     a.Clock,
		Outbox:    events,
		Keys:      a.keys,
		Parties:   a.Parties,
		Auth:      a.Auth,
		Ledger:    a.Ledger,
		Limits:    a.Limits,
		Cards:     a.Cards,
		Payments:  a.Payments,
		Codes:     a.Codes,
		Live:      a.Config.Mode == config.Live,
	})
	signer := jws.New(a.Vault.SigningKey("documents"))
	a.AppRequests = inapp.New(inapp.Parts{
		Committer: a.Committer, DB: a.DB, Clock: a.Clock, Payments: a.Payments, Signer: signer,
	})
	a.Instructions = instruction.New(instruction.Parts{
		Committer: a.Committer, DB: a.DB, Clock: a.Clock, Payments: a.Payments, Signer: signer,
	})
}

// country is what receive codes name: a code of ISO 3166-1, ZZ where a jurisdiction is no one country.
func country(jurisdiction string) string {
	if jurisdiction == "cn" {
		return "CN"
	}
	return "ZZ"
}

// pages are the hosted checkout's.
func (a *App) pages() []api.WebPage {
	var out []api.WebPage
	for _, page := range a.Checkouts.Pages() {
		class := edge.ClassPublic
		if page.Writes {
			class = edge.ClassSignIn
		}
		out = append(out, api.WebPage{Method: page.Method, Path: page.Path, Class: class, Handler: page.Handler})
	}
	return out
}
