package vault_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/vault"
)

// zero is the key file of 32 zero bytes: the golden values below are derived from it.
const zero = "feiqian-root-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"

func opened(t *testing.T, text string) *vault.Vault {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vault.key")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := vault.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestCreate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "folder", "vault.key")
	if _, err := vault.Open(path); fault.CodeOf(err) != "vault.no_key_file" {
		t.Fatalf("open before: %v", err)
	}
	made, err := vault.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	read, err := vault.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if made.PINMAC("cus_1", "135246") != read.PINMAC("cus_1", "135246") {
		t.Error("the opened vault derives other keys than the created one")
	}
	about, err := os.Stat(path)
	if err != nil || about.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", about.Mode(), err)
	}
	if _, err := vault.Create(path); fault.CodeOf(err) != "vault.key_file_exists" {
		t.Errorf("create again: %v", err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("drafts left behind: %v, %v", left, err)
	}
}

// TestOpenOrCreateRaces lets many processes start at once: all must end with one secret.
func TestOpenOrCreateRaces(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "vault.key")
	macs := make([]string, 20)
	var wg sync.WaitGroup
	for i := range macs {
		wg.Go(func() {
			v, err := vault.OpenOrCreate(path)
			if err != nil {
				t.Error(err)
				return
			}
			macs[i] = v.PINMAC("cus_1", "135246")
		})
	}
	wg.Wait()
	for _, mac := range macs {
		if mac != macs[0] || mac == "" {
			t.Errorf("MACs differ: %q and %q", mac, macs[0])
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	secret := strings.TrimSpace(strings.TrimPrefix(zero, "feiqian-root-1:"))
	for name, test := range map[string]struct {
		text string
		mode os.FileMode
		code string
	}{
		"group may read":   {zero, 0o640, "vault.key_file_exposed"},
		"others may read":  {zero, 0o604, "vault.key_file_exposed"},
		"others may write": {zero, 0o602, "vault.key_file_exposed"},
		"empty":            {"", 0o600, "vault.bad_key_file"},
		"no mark":          {secret, 0o600, "vault.bad_key_file"},
		"too short":        {zero[:len(zero)-4], 0o600, "vault.bad_key_file"},
		"too long":         {strings.TrimSpace(zero) + "AAAA", 0o600, "vault.bad_key_file"},
		"not base64":       {strings.Replace(zero, "AA", "!!", 1), 0o600, "vault.bad_key_file"},
		"a very long file": {strings.Repeat("A", 1<<20), 0o600, "vault.bad_key_file"},
		"restored, no \\n": {strings.TrimSpace(zero), 0o600, ""},
		"owner, read only": {zero, 0o400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "vault.key")
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, test.mode); err != nil {
				t.Fatal(err)
			}
			_, err := vault.Open(path)
			if fault.CodeOf(err) != test.code {
				t.Fatalf("err = %v, want %q", err, test.code)
			}
			if err != nil && fault.From(err).Hint == "" {
				t.Error("no hint")
			}
			if err != nil && strings.Contains(err.Error()+fault.From(err).Hint, secret[:8]) {
				t.Error("the error shows the secret")
			}
		})
	}
	if _, err := vault.Open(t.TempDir()); fault.CodeOf(err) != "vault.bad_key_file" {
		t.Errorf("a folder: %v", err)
	}
}

// TestGolden keeps the derivation as it is: another one would lock out every customer.
func TestGolden(t *testing.T) {
	t.Parallel()
	v := opened(t, zero)
	device := v.DeviceSecret("dev_1", 1)
	seed := v.SigningKey("checkpoint").Seed()
	for name, test := range map[string]struct{ got, want string }{
		"pin":    {v.PINMAC("cus_1", "135246"), "hlDHcUnukUoqpTzwqulcST0S5KErxSL9U4pQdywJi98"},
		"device": {hex.EncodeToString(device[:]), "49cf10657992e047c38594c880de24e3b71a86d813b76a048bbbf05fab7efc58"},
		"sign":   {hex.EncodeToString(seed), "5e0fe09ea57e107d1452cf12f8a9c85c935924670a1cc7c7f054a9b66bbec68e"},
		"token":  {vault.HashToken("st_example"), "f0QibZF5JefK2uQVZr3Lp6B3d9wkv7ufSLk8PcS_Mkw"},
	} {
		if test.got != test.want {
			t.Errorf("%s = %s, want %s", name, test.got, test.want)
		}
	}
}

func TestKeysDiffer(t *testing.T) {
	t.Parallel()
	v := opened(t, zero)
	seen := map[string]string{}
	add := func(name, value string) {
		if other, there := seen[value]; there {
			t.Errorf("%s equals %s", name, other)
		}
		seen[value] = name
	}
	add("pin of 1", v.PINMAC("cus_1", "135246"))
	add("pin of 2", v.PINMAC("cus_2", "135246"))
	add("other pin of 1", v.PINMAC("cus_1", "135247"))
	for version := int64(1); version <= 3; version++ {
		for _, device := range []id.Device{"dev_1", "dev_2"} {
			secret := v.DeviceSecret(device, version)
			add(fmt.Sprint(device, version), string(secret[:]))
		}
	}
	for _, purpose := range []string{"checkpoint", "bank"} {
		add(purpose, string(v.SigningKey(purpose).Seed()))
	}
}

func TestPrintsNothing(t *testing.T) {
	t.Parallel()
	v := opened(t, zero)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("start", slog.Any("vault", v))
	printed := &log
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(printed, verb+verb+verb, v, *v, struct{ V any }{v})
	}
	for _, leak := range []string{"[0 0 0", "root", "0x0, 0x0", "pin"} {
		if strings.Contains(printed.String(), leak) {
			t.Errorf("%q is printed: %s", leak, printed)
		}
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		token := vault.Token("st_")
		if len(token) != 55 || !strings.HasPrefix(token, "st_") || seen[token] || seen[vault.HashToken(token)] {
			t.Fatalf("token %q", token)
		}
		seen[token], seen[vault.HashToken(token)] = true, true
	}
}
