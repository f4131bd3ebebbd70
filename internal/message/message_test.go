package message_test

import (
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/job"
	"github.com/feiqian/feiqian/internal/message"
	"github.com/feiqian/feiqian/internal/message/smshttp"
	"github.com/feiqian/feiqian/internal/sandbox/smsc"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
	"github.com/feiqian/feiqian/internal/vault"
)

type fixture struct {
	*message.Messages
	centre *smsc.Server
	db     *sqldb.DB
	clock  *clock.Clock
}

const key = "a key"

func start(t *testing.T, db *sqldb.DB) *fixture {
	t.Helper()
	v, err := vault.Create(filepath.Join(t.TempDir(), "vault.key"))
	if err != nil {
		t.Fatal(err)
	}
	clk := &clock.Clock{}
	c := commit.New(db, clk, commit.Options{})
	jobs := job.New(c, db, clk, slog.New(slog.DiscardHandler))
	centre, err := smsc.Start(t.Context(), smsc.Config{Key: key, Clock: clk})
	if err != nil {
		t.Fatal(err)
	}
	sender, err := smshttp.New(smshttp.Config{
		BaseURL: centre.URL(), Key: key, Client: &http.Client{Timeout: time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{centre: centre, db: db, clock: clk, Messages: message.New(message.Parts{
		Committer: c, DB: db, Clock: clk, Jobs: jobs, Vault: v, Sender: sender, PhoneMax: 3, DayMax: 4,
	})}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		jobs.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-done
		c.Close()
		if err := centre.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *fixture) send(t *testing.T, to string, muted bool) error {
	t.Helper()
	draft, err := f.NewDraft(message.Wish{
		To: to, Template: message.CodeRegister, ValidFor: 5 * time.Minute, Muted: muted,
		Values: message.Values{"code": "123456", "minutes": "5"},
	})
	if err != nil {
		return err
	}
	return f.Committer.Do(t.Context(), f.Keys(draft), func(tx *commit.Tx) error { return f.Send(tx, draft) })
}

// ends waits until a phone's messages have these states.
func (f *fixture) ends(t *testing.T, phone, want string) {
	t.Helper()
	var got string
	for range 1000 {
		rows, err := f.db.Read.QueryContext(t.Context(), "SELECT state FROM messages WHERE phone = $1 ORDER BY id", phone)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for rows.Next() {
			var state string
			if err := rows.Scan(&state); err != nil {
				t.Fatal(err)
			}
			all = append(all, state)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
		if got = strings.Join(all, " "); got == want {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("messages of %s: %s, want %s", phone, got, want)
}

func TestSend(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		f := start(t, db)
		const one, two, three = "+8613800000001", "+15005550006", "+8613800000003"
		if err := f.send(t, one, false); err != nil {
			t.Fatal(err)
		}
		f.ends(t, one, "sent")
		if inbox := f.centre.Inbox(
			one,
		); len(inbox) != 1 || smsc.CodeIn(inbox[0].Text) != "123456" ||
			!strings.Contains(inbox[0].Text, "验证码") {
			t.Errorf("inbox %v", inbox)
		}
		// Refused for good; a failure is tried again; English abroad.
		f.centre.SetFaults(smsc.Faults{Refuse: 1})
		if err := f.send(t, one, false); err != nil {
			t.Fatal(err)
		}
		f.ends(t, one, "sent refused")
		f.centre.SetFaults(smsc.Faults{Fail: 1, Duplicate: 1})
		if err := f.send(t, two, false); err != nil {
			t.Fatal(err)
		}
		f.ends(t, two, "sent")
		if inbox := f.centre.Inbox(two); len(inbox) != 2 || !strings.Contains(inbox[0].Text, "your code") {
			t.Errorf("inbox %v", inbox)
		}
		if err := f.send(t, one, true); err != nil {
			t.Fatal(err)
		}
		f.ends(t, one, "sent refused muted")
		for _, phone := range []string{one, three} { // three for the phone, four for all
			if err := f.send(t, phone, false); fault.CodeOf(err) != "message.too_many" || fault.From(err).RetryAfter <= 0 {
				t.Errorf("%s: %v", phone, err)
			}
		}
		f.ends(t, three, "")
		// The next day it goes on, and what expired does not leave.
		f.clock.Advance(24 * time.Hour)
		f.centre.SetFaults(smsc.Faults{Fail: 1})
		if err := f.send(t, three, false); err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			var attempts int64
			if err := db.Read.QueryRowContext(t.Context(), "SELECT COALESCE(MAX(attempts), 0) FROM jobs").
				Scan(&attempts); err != nil {
				t.Fatal(err)
			}
			if attempts > 0 {
				break
			}
			time.Sleep(time.Millisecond)
		}
		f.clock.Advance(6 * time.Minute)
		f.ends(t, three, "expired")
		var left int64
		if err := db.Read.QueryRowContext(t.Context(), "SELECT count(*) FROM messages WHERE length(sealed) > 0").
			Scan(&left); err != nil ||
			left > 0 {
			t.Errorf("%d texts are kept: %v", left, err)
		}
	})
}
