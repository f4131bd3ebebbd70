package authorityhttp_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/identity"
	"github.com/feiqian/feiqian/internal/identity/authorityhttp"
	"github.com/feiqian/feiqian/internal/identity/identitytest"
	"github.com/feiqian/feiqian/internal/sandbox/authority"
)

func TestVerifiers(t *testing.T) {
	t.Parallel()
	for _, channel := range identity.Channels() {
		t.Run(string(channel), func(t *testing.T) {
			t.Parallel()
			identitytest.Run(t, func(t *testing.T) *identitytest.Bench { t.Helper(); return bench(t, channel) })
		})
	}
}

func bench(t *testing.T, channel identity.Channel) *identitytest.Bench {
	t.Helper()
	keys, err := authority.GenerateKeys()
	if err != nil {
		t.Fatal(err)
	}
	clk := &clock.Clock{}
	server, err := authority.Start(t.Context(), authority.Config{
		Keys: keys, Clock: clk, SlowAnswer: 20 * time.Millisecond, StatePath: t.TempDir() + "/state.json",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	verifier, err := authorityhttp.New(authorityhttp.Config{
		Channel: channel, BaseURL: server.URL(), Key: keys.Platform, AuthorityKey: keys.Authority.Public(), Clock: clk,
		Client: &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	person := authority.SeedPeople()[3]
	known := identity.Query{
		Document: identity.Document{
			Kind: identity.KindResidentID, Country: "CHN", Name: person.Name, Number: person.Number, BirthOn: "1985-11-23",
		},
		Phone: person.Phones[0], Card: person.Cards[0].Number, Account: person.Accounts[0],
	}
	as := func(number string) identity.Query { q := known; q.Document.Number = number; return q }
	mismatch := known
	mismatch.Document.Name = "刘海"
	return &identitytest.Bench{
		Verifier: verifier, Known: known, Mismatch: mismatch, NotFound: as("110101199001019044"),
		NoAnswer: as("11010119900101901X"), Slow: as("110101199001019028"), BadSignature: as("110101199001019052"),
		DecidedError: as("110101199001019060"), Failing: as("110101199001019079"), Amount: authority.Deposit(known.Account),
		Asked: func(reference id.IdentityCheck) int { return server.Asked(string(channel), string(reference)) },
	}
}

// TestNew refuses settings that cannot work.
func TestNew(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(c *authorityhttp.Config){
		"BaseURL": func(c *authorityhttp.Config) { c.BaseURL = "ftp://x" },
		"Client":  func(c *authorityhttp.Config) { c.Client = &http.Client{} },
		"Channel": func(c *authorityhttp.Config) { c.Channel = "stars" },
		"Clock":   func(c *authorityhttp.Config) { c.Clock = nil },
		"Key":     func(c *authorityhttp.Config) { c.Key.ID = "" },
	} {
		keys, err := authority.GenerateKeys()
		if err != nil {
			t.Fatal(err)
		}
		c := authorityhttp.Config{
			Channel:      identity.ChannelCard,
			BaseURL:      "http://127.0.0.1:1",
			Key:          keys.Platform,
			AuthorityKey: keys.Authority.Public(),
			Clock:        &clock.Clock{},
			Client:       &http.Client{Timeout: time.Second},
		}
		change(&c)
		if _, err := authorityhttp.New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
