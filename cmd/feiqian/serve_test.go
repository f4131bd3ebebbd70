package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/app"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/config"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
)

// screen keeps what is printed and tells when a screen has ended, with an empty line.
type screen struct {
	text  strings.Builder
	ended chan string
}

func (s *screen) Write(b []byte) (int, error) {
	s.text.Write(b)
	if text := s.text.String(); strings.Contains(text, "signed by") && strings.HasSuffix(text, "\n\n") &&
		string(b) == "\n" {
		s.ended <- text
	}
	return len(b), nil
}

// TestServeLive: a live instance without a channel and without staff starts, and says what it lacks.
func TestServeLive(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			data := t.TempDir()
			cfg := config.Default()
			cfg.Mode, cfg.Listen, cfg.SandboxListen = config.Live, "127.0.0.1:0", ""
			cfg.Database, cfg.DataDir, cfg.VaultKeyFile = sqldbtest.URL(t, engine), data, filepath.Join(data, "vault.key")
			if err := cfg.Validate(); err != nil {
				t.Fatal(err)
			}
			printed := served(t, cfg)
			for _, want := range []string{"live", "Missing:   no channel to a bank", "Missing:   no staff", "feiqian staff add"} {
				if !strings.Contains(printed, want) {
					t.Errorf("%q is not said: %s", want, printed)
				}
			}
			if made, err := filepath.Glob(filepath.Join(data, "sandbox-*")); err != nil || len(made) > 0 {
				t.Errorf("a live instance has a sandbox: %v, %v", made, err)
			}
			db, err := sqldb.Connect(t.Context(), cfg.Database)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			person := auth.NewStaff{Email: "ann@example.com", Name: "Ann", Role: "admin", Password: "correct horse battery"}
			if _, err := app.AddStaff(t.Context(), db, cfg.Mode, person); err != nil {
				t.Fatal(err)
			}
			if printed := served(t, cfg); strings.Contains(printed, "no staff") || !strings.Contains(printed, "no channel") {
				t.Errorf("with staff: %s", printed)
			}
		})
	}
}

// served serves until the screen is printed and the instance is ready, and returns the screen.
func served(t *testing.T, cfg config.Config) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, done := &screen{ended: make(chan string, 1)}, make(chan error, 1)
	go func() { done <- serve(ctx, cfg, out) }()
	var printed string
	select {
	case printed = <-out.ended:
	case err := <-done:
		t.Fatalf("it does not start: %v", err)
	}
	address := regexp.MustCompile(`http://\S+`).FindString(printed)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(fmt.Errorf("is it ready: %w", err))
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("not ready: %d", answer.StatusCode)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("serve: %v", err)
	}
	return printed
}
