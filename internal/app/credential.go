package app

import (
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/message"
	"github.com/feiqian/feiqian/internal/outbox"
)

// sandboxTexts is how many texts a phone of a sandbox gets a day: a demo may be played all day long.
const sandboxTexts = 1000

func (a *App) wireAuth(c *commit.Committer, events *outbox.Outbox) error {
	host, origins, err := a.Config.Origins()
	if err != nil {
		return err
	}
	parts := message.Parts{
		Committer: c, DB: a.DB, Clock: a.Clock, Jobs: a.Jobs, Vault: a.Vault, Sender: a.sender,
	}
	if a.Config.Mode == config.Sandbox {
		parts.PhoneMax = sandboxTexts
	}
	a.Messages = message.New(parts)
	a.Auth = auth.New(auth.Parts{
		Committer: c, DB: a.DB, Clock: a.Clock, Vault: a.Vault, Parties: a.Parties, Mode: string(a.Config.Mode),
		Messages: a.Messages, Outbox: events, RelyingParty: auth.RelyingParty{ID: host, Origins: origins},
	})
	return nil
}
