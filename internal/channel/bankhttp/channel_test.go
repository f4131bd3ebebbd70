package bankhttp_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/channel/bankhttp"
	"github.com/feiqian/feiqian/internal/channel/channeltest"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/httpsig"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/sandbox/bank"
)

func cny(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "CNY"} }

// newChannel returns a channel to the bank at url.
func newChannel(t *testing.T, url string, keys bank.Keys, now *clock.Clock) *bankhttp.Channel {
	t.Helper()
	c, err := bankhttp.New(bankhttp.Config{
		BaseURL: url, Key: keys.Platform, BankKey: keys.Bank.Public(),
		Client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{}}, Clock: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newKeys(t *testing.T) bank.Keys {
	t.Helper()
	keys, err := bank.GenerateKeys()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// receiver is the address for notices; it hands on what it gets.
func receiver(t *testing.T) (string, <-chan channel.Callback) {
	t.Helper()
	callbacks := make(chan channel.Callback, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		callbacks <- channel.Callback{
			Method: r.Method, Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Header: r.Header, Body: body,
		}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/notices/bank?from=sandbox", callbacks
}

func TestChannel(t *testing.T) {
	t.Parallel()
	channeltest.Run(t, newBench)
}

// newBench starts a sandbox bank and a channel to it.
func newBench(t *testing.T) *channeltest.Bench {
	t.Helper()
	keys, now := newKeys(t), new(clock.Clock)
	notifyURL, callbacks := receiver(t)
	server, err := bank.Start(t.Context(), bank.Config{
		NotifyURL: notifyURL, Keys: keys, Clock: now, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Timing: timing(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("close the bank: %v", err)
		}
	})
	b := &channeltest.Bench{
		Channel:   newChannel(t, server.URL(), keys, now),
		Account:   channel.BindRequest{Number: "9555010000000017", HolderName: "张伟"},
		Unknown:   channel.BindRequest{Number: "9555019999999999", HolderName: "张伟"},
		WrongName: channel.BindRequest{Number: "9555010000000017", HolderName: "王芳"},
		Closed:    channel.BindRequest{Number: "9555010000000918", HolderName: "钱旧"},
		Amount:    cny(1000_00),
		Declines:  make(map[channel.DeclineCode]money.Amount),
		Troubles:  make(map[channeltest.Trouble]money.Amount),
		Callbacks: callbacks,
		Clock:     now,
		Booked:    func(t *testing.T, reference id.Attempt) int { t.Helper(); return booked(t, server, reference) },
		Total:     func(t *testing.T) int64 { t.Helper(); return total(t, server) },
	}
	magic(b, bank.MagicAmounts())
	return b
}

// magic gives the bench the amounts that make trouble.
func magic(b *channeltest.Bench, table []bank.MagicAmount) {
	for _, line := range table {
		amount := cny(line.Remainder + 3*bank.MagicModulus)
		if line.Effect == bank.EffectDecline {
			b.Declines[channel.DeclineCode(line.DeclineCode)] = amount
			continue
		}
		trouble := channeltest.Trouble(line.Effect) // the names are the same, but for one
		if line.Effect == bank.EffectSlow {
			trouble = channeltest.TroubleHeld
		}
		b.Troubles[trouble] = amount
	}
}

// timing makes a bank in tests quick, and patient where it must be.
func timing() bank.Timing {
	return bank.Timing{
		SlowAnswer: time.Hour, Hold: time.Millisecond, PendingFor: 50 * time.Millisecond,
		LateNotice: 50 * time.Millisecond, Contradiction: 50 * time.Millisecond,
	}
}

func booked(t *testing.T, server *bank.Server, reference id.Attempt) int {
	t.Helper()
	movements, err := server.Booked(t.Context(), string(reference))
	if err != nil {
		t.Fatal(err)
	}
	return movements
}

// total sums all balances of the bank, with its capital; each currency must be zero by itself.
func total(t *testing.T, server *bank.Server) int64 {
	t.Helper()
	accounts, err := server.Accounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sums, sum := map[money.Currency]int64{}, int64(0)
	for _, a := range accounts {
		sums[a.Balance.Currency] += a.Balance.Minor
		sum += a.Balance.Minor
		if a.Balance.IsNegative() && a.Kind != "capital" {
			t.Errorf("account %s is below zero: %s", a.Number, a.Balance)
		}
	}
	for currency, left := range sums {
		if left != 0 {
			t.Errorf("the balances in %s together are %d", currency, left)
		}
	}
	return sum
}

func TestNew_Errors(t *testing.T) {
	t.Parallel()
	keys := newKeys(t)
	good := bankhttp.Config{
		BaseURL: "https://bank.example", Key: keys.Platform, BankKey: keys.Bank.Public(),
		Client: &http.Client{Timeout: time.Second}, Clock: new(clock.Clock),
	}
	if _, err := bankhttp.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(c *bankhttp.Config){
		"NoURL":       func(c *bankhttp.Config) { c.BaseURL = "" },
		"NoScheme":    func(c *bankhttp.Config) { c.BaseURL = "bank.example" },
		"Query":       func(c *bankhttp.Config) { c.BaseURL = "https://bank.example?x" },
		"NoTimeout":   func(c *bankhttp.Config) { c.Client = &http.Client{} },
		"NoClient":    func(c *bankhttp.Config) { c.Client = nil },
		"NoClock":     func(c *bankhttp.Config) { c.Clock = nil },
		"NoKey":       func(c *bankhttp.Config) { c.Key = httpsig.PrivateKey{} },
		"NoBankKey":   func(c *bankhttp.Config) { c.BankKey = httpsig.PublicKey{} },
		"KeyTooShort": func(c *bankhttp.Config) { c.BankKey.Key = c.BankKey.Key[1:] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := good
			change(&config)
			if _, err := bankhttp.New(config); err == nil {
				t.Error("taken")
			}
		})
	}
}
