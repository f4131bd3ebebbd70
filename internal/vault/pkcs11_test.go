//go:build pkcs11

package vault_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
	"github.com/feiqian/feiqian/internal/vault"
)

const softHSM = "/usr/lib/softhsm/libsofthsm2.so"

// softToken makes a token of SoftHSM2 in a folder of its own.
//
//nolint:paralleltest // a process has one PKCS#11 module, and its settings are in the environment
func softToken(t *testing.T) vault.PKCS11 {
	t.Helper()
	if _, err := os.Stat(softHSM); err != nil {
		t.Skip("SoftHSM2 is not installed: run scripts/softhsm.sh")
	}
	dir := t.TempDir()
	settings := filepath.Join(dir, "softhsm2.conf")
	text := fmt.Sprintf("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", dir)
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", settings)
	out, err := exec.CommandContext(t.Context(), "softhsm2-util", "--init-token", "--free", "--label", "feiqian",
		"--pin", "271828", "--so-pin", "31415926").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return vault.PKCS11{Module: softHSM, Token: "feiqian", PIN: "271828"}
}

// TestPKCS11 wraps data keys inside a token: what it wrapped opens after a restart, with the local keys that were there
// before, and nowhere else.
//
//nolint:paralleltest // see softToken
func TestPKCS11(t *testing.T) {
	with := softToken(t)
	db, clk := sqldbtest.Open(t, "sqlite"), &clock.Clock{}
	execute(t, db, "CREATE TABLE secrets (id TEXT PRIMARY KEY, sealed BYTEA)")
	put(t, db, attached(t, db, clk, secrets()), "local")

	open := func() (*vault.Vault, func()) {
		t.Helper()
		store, closeStore, err := vault.OpenPKCS11(with)
		if err != nil {
			t.Fatal(err)
		}
		v := opened(t, zero)
		err = v.Attach(t.Context(), vault.Attachment{DB: db, Clock: clk, Store: store, Columns: []vault.Sealed{secrets()}})
		if err != nil {
			t.Fatal(err)
		}
		return v, closeStore
	}
	v, closeStore := open()
	check(t, db, v, "local")
	if key, err := v.Rotate(t.Context(), purpose, nil); err != nil || key.Store != "pkcs11:feiqian" {
		t.Fatalf("%+v, %v", key, err)
	}
	put(t, db, v, "token")
	closeStore()

	v, closeStore = open()
	check(t, db, v, "token")
	if err := v.Reseal(t.Context()); err != nil {
		t.Error(err)
	}
	clk.Advance(vault.RetireAfter)
	if _, err := v.Retire(t.Context(), purpose, 1, nil); err != nil {
		t.Error(err)
	}
	check(t, db, v, "local")
	closeStore()

	alone := opened(t, zero)
	err := alone.Attach(t.Context(), vault.Attachment{DB: db, Clock: clk, Columns: []vault.Sealed{secrets()}})
	if fault.CodeOf(err) != "vault.no_key_store" {
		t.Errorf("without the token: %v", err)
	}

	store, closeStore, err := vault.OpenPKCS11(with)
	if err != nil {
		t.Fatal(err)
	}
	key := bytes.Repeat([]byte{7}, vault.KeySize)
	wrapped, err := store.Wrap(t.Context(), "a/1", key)
	if err != nil || bytes.Contains(wrapped, key) {
		t.Fatal(err)
	}
	if got, err := store.Unwrap(t.Context(), "a/1", wrapped); err != nil || !bytes.Equal(got, key) {
		t.Errorf("%x, %v", got, err)
	}
	if _, err := store.Unwrap(t.Context(), "a/2", wrapped); fault.CodeOf(err) != "vault.bad_wrapped_key" {
		t.Errorf("another name: %v", err)
	}
	for i := range wrapped {
		changed := bytes.Clone(wrapped)
		changed[i] ^= 1
		if _, err := store.Unwrap(t.Context(), "a/1", changed); fault.CodeOf(err) != "vault.bad_wrapped_key" {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	closeStore()

	for name, wrong := range map[string]vault.PKCS11{
		"module": {Module: "/nowhere.so", Token: with.Token, PIN: with.PIN},
		"token":  {Module: with.Module, Token: "other", PIN: with.PIN},
		"pin":    {Module: with.Module, Token: with.Token, PIN: "161803"},
	} {
		_, _, err := vault.OpenPKCS11(wrong)
		if fault.CodeOf(err) != "vault.key_store_failed" || strings.Contains(fmt.Sprint(err, wrong), wrong.PIN) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
