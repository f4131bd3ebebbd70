package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/app"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

// run runs a command line of the program and returns what it prints and says at the end.
func run(t *testing.T, in io.Reader, args ...string) (out, said string) {
	t.Helper()
	command := root()
	var printed, prompted bytes.Buffer
	command.SetArgs(args)
	command.SetIn(in)
	command.SetOut(&printed)
	command.SetErr(&prompted)
	if err := command.ExecuteContext(t.Context()); err != nil {
		said = explain(err)
	}
	return printed.String() + prompted.String(), said
}

// unread is a standard input that nobody may read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the password was read")
	return 0, io.EOF
}

// staffOf lists who is in the table of staff; nobody where there is no table.
func staffOf(t *testing.T, url string) string {
	t.Helper()
	db, err := sqldb.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Read.QueryContext(t.Context(), "SELECT email, name, role, state FROM staff ORDER BY email")
	if err != nil {
		return ""
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var email, name, role, state string
		if err := rows.Scan(&email, &name, &role, &state); err != nil {
			t.Fatal(err)
		}
		all = append(all, email+" "+name+" "+role+" "+state)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, ", ")
}

func TestStaffAdd(t *testing.T) { //nolint:paralleltest // a command sets the log of the whole process
	for _, engine := range []string{"sqlite", "postgres"} { //nolint:paralleltest // see above
		t.Run(engine, func(t *testing.T) { testStaffAdd(t, sqldbtest.URL(t, engine)) })
	}
}

func testStaffAdd(t *testing.T, url string) {
	t.Helper()
	const password = "correct horse battery"
	data := t.TempDir()
	add := func(in io.Reader, more ...string) (string, string) {
		t.Helper()
		args := []string{"staff", "add", "--database", url, "--data-dir", data, "--mode", "live"}
		return run(t, in, append(args, more...)...)
	}
	ann := []string{"--email", "Ann@Example.com", "--name", "Ann Carter", "--role", "admin"}
	refused := func(in io.Reader, want string, args ...string) {
		t.Helper()
		before := staffOf(t, url)
		if out, said := add(in, args...); !strings.Contains(said, want) || strings.Contains(out+said, password) {
			t.Errorf("%v: %q, want %q; printed %q", args, said, want, out)
		}
		if after := staffOf(t, url); after != before {
			t.Errorf("%v was refused, and there is %s", args, after)
		}
	}

	// A database that is not there, or was never migrated, is not made.
	if file, isFile := strings.CutPrefix(url, "sqlite:"); isFile {
		if _, said := add(unread{t}, ann...); !strings.Contains(said, "feiqian migrate") {
			t.Errorf("no database: %q", said)
		}
		if _, err := os.Stat(file); err == nil {
			t.Error("the database was made")
		}
	} else {
		refused(unread{t}, "run `feiqian migrate`", ann...)
	}
	if out, said := run(t, unread{t}, "migrate", "--database", url, "--data-dir", data); said != "" {
		t.Fatalf("migrate: %s %s", out, said)
	}

	for want, args := range map[string][]string{
		"party.bad_email":   {"--email", "ann", "--name", "Ann", "--role", "admin"},
		"party.bad_name":    {"--email", "ann@example.com", "--name", " ", "--role", "admin"},
		"party.bad_role":    {"--email", "ann@example.com", "--name", "Ann", "--role", "root"},
		`"role" not set`:    {"--email", "ann@example.com", "--name", "Ann"},
		"unknown flag":      append([]string{"--password", password}, ann...),
		"takes flags only":  append([]string{password}, ann...),
		"write sandbox or ": append([]string{"--mode", "test"}, ann...),
	} {
		refused(unread{t}, want, args...)
	}
	for _, weak := range []string{"short", "correct hor", "aaaaaaaaaaaaaaaa", strings.Repeat("ab", 500)} {
		refused(strings.NewReader(weak+"\n"), "auth.weak_password", ann...)
	}
	for _, none := range []string{"", "\n", "\r\nsecond line of input\n"} {
		refused(strings.NewReader(none), "no password on standard input", ann...)
	}

	out, said := add(strings.NewReader(password+"\r\nnot this\n"), ann...)
	if said != "" || !strings.Contains(out, "stf_") || !strings.Contains(out, "/ops/v1/login") ||
		!strings.Contains(out, "POST /ops/v1/merchants") || strings.Contains(out, password) {
		t.Errorf("printed %q, said %q", out, said)
	}
	refused(strings.NewReader(password), "party.email_taken", ann...)
	bob := []string{"--email", "bob@example.com", "--name", "Bob", "--role", "auditor"}
	if out, said := add(
		strings.NewReader(password),
		bob...); said != "" ||
		strings.Contains(out, "POST /ops/v1/merchants") {
		t.Errorf("printed %q, said %q", out, said)
	}
	if got := staffOf(t, url); got != "ann@example.com Ann Carter admin active, bob@example.com Bob auditor active" {
		t.Errorf("staff: %s", got)
	}
	if left, err := filepath.Glob(filepath.Join(data, "*")); err != nil || len(left) > 0 {
		t.Errorf("files were made: %v, %v", left, err)
	}
	// Beside a running server; and who was made signs in there.
	cfg := config.Default()
	cfg.Mode, cfg.Database, cfg.DataDir, cfg.VaultKeyFile = config.Live, url, data, filepath.Join(data, "vault.key")
	instance, err := app.New(t.Context(), cfg, &clock.Clock{}, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer instance.Close()
	carol := []string{"--email", "carol@example.com", "--name", "Carol", "--role", "finance"}
	if _, said := add(strings.NewReader(password), carol...); said != "" {
		t.Errorf("beside a server: %s", said)
	}
	for _, email := range []string{"ann@example.com", "carol@example.com"} {
		if err := signsIn(t.Context(), instance, email, password); err != nil {
			t.Errorf("%s: %v", email, err)
		}
	}
}

func signsIn(ctx context.Context, instance *app.App, email, password string) error {
	request := auth.StaffSignInRequest{Email: email, Password: password}
	if _, err := instance.Auth.SignInStaff(ctx, request); fault.CodeOf(err) != "auth.totp_enrolment_required" {
		return fmt.Errorf("without an app: %w", err)
	}
	enrolment, err := instance.Auth.BeginStaffTOTP(ctx, request)
	if err != nil {
		return err
	}
	if request.TOTP, err = auth.TOTPCode(enrolment.Secret, instance.Clock.Now()); err != nil {
		return err
	}
	in, err := instance.Auth.SignInStaff(ctx, request)
	if err == nil && len(in.RecoveryCodes) == 0 {
		return errors.New("no recovery codes")
	}
	return err
}
