// Package arch_test holds the shape of the house: which package may import which, how long a file
// may be, and that nothing is left open without an issue. See docs/decisions.
package arch_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// ranks is the table: a package under internal imports packages of a lower rank only. A folder has
// the rank of the folder above it unless it is listed itself. A package that is listed need not
// exist yet; one that exists must be listed.
var ranks = [][]string{
	0:  {"money", "id", "fault", "clock"},
	1:  {"config", "sqldb", "emvqr", "httpsig", "jws", "apiversion", "signednote"}, // httpsig is a codec that the API, channels and the sandbox share
	2:  {"commit", "vault"},
	3:  {"outbox", "job", "audit"},
	4:  {"idempotency", "ledger", "message"},
	5:  {"party", "limit"},
	6:  {"auth"},
	7:  {"wallet", "channel", "card", "approval", "onboarding", "signing"},
	8:  {"attempt", "identity"},
	9:  {"payment", "payout"},
	10: {"report", "privacy", "edge", "qr", "webhook", "inapp", "instruction"},
	11: {"checkout"},
	12: {"api"},
	13: {"app"},
	14: {"bench"},
}

const (
	module = "github.com/feiqian/feiqian/"
	// sandbox is the world outside, simulated. It stands beside the table: it knows no domain of ours, and only
	// app (and cmd) start it.
	sandbox        = "sandbox"
	sandboxRankMax = 1
)

// rankOf returns the rank of a package under internal, named without "internal/".
func rankOf(pkg string) (int, bool) {
	for listed := pkg; listed != "."; listed = path.Dir(listed) {
		for rank, packages := range ranks {
			if slices.Contains(packages, listed) {
				return rank, true
			}
		}
	}
	return 0, false
}

// isBelow reports whether pkg is parent or a folder below it.
func isBelow(pkg, parent string) bool { return pkg == parent || strings.HasPrefix(pkg, parent+"/") }

// isHelper reports whether pkg helps tests: its name ends in "test".
func isHelper(pkg string) bool { return strings.HasSuffix(pkg, "test") }

// refusal says why package from may not import package to, both under internal; "" if it may.
func refusal(from, to string) string {
	fromRank, _ := rankOf(from)
	toRank, known := rankOf(to)
	switch {
	case isHelper(from):
		return ""
	case isHelper(to):
		return "only tests import test helpers"
	case isBelow(from, to) && toRank <= fromRank, isBelow(from, sandbox) && isBelow(to, sandbox):
		return "" // an adapter knows the port above it
	case isBelow(to, sandbox):
		if from != "app" {
			return "only app and cmd start the sandbox"
		}
		return ""
	case isBelow(from, sandbox):
		if !known || toRank > sandboxRankMax {
			return fmt.Sprintf("the sandbox is a stranger: it imports rank 0 to %d", sandboxRankMax)
		}
		return ""
	case fromRank == 0 && to == "fault" && from != "fault":
		return "" // the one error type is the first word of the language
	case !known || toRank >= fromRank:
		return fmt.Sprintf("rank %d may not import rank %d", fromRank, toRank)
	}
	return ""
}

// TestRanks checks every import between packages under internal; imports of tests are free.
func TestRanks(t *testing.T) {
	t.Parallel()
	for _, file := range goFiles(t) {
		pkg, inside := strings.CutPrefix(path.Dir(file.path), "internal/")
		if !inside || strings.HasSuffix(file.path, "_test.go") {
			continue
		}
		if _, listed := rankOf(pkg); !listed && !isBelow(pkg, sandbox) && !isHelper(pkg) {
			t.Errorf("%s: package %s is not in the table; give it a rank in internal/arch", file.path, pkg)
			continue
		}
		for _, imported := range file.imports(t) {
			switch to, ours := strings.CutPrefix(imported, module); {
			case !ours:
			case !strings.HasPrefix(to, "internal/"):
				t.Errorf("%s imports %s: nothing under internal imports what is outside", file.path, imported)
			default:
				if why := refusal(pkg, strings.TrimPrefix(to, "internal/")); why != "" {
					t.Errorf("%s imports %s: %s", file.path, imported, why)
				}
			}
		}
	}
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		from, to string
		may      bool
	}{
		{"ledger", "commit", true},
		{"ledger", "ledger/statement", false},
		{"ledger/statement", "ledger", true},
		{"commit", "ledger", false},
		{"payment", "payout", false},
		{"money", "fault", true},
		{"fault", "money", false},
		{"money", "clock", false},
		{"channel/bankhttp", "channel", true},
		{"channel/bankhttp", "vault", true},
		{"channel/bankhttp", "payment", false},
		{"channel", "channel/bankhttp", false},
		{"channel", "httpsig", true},
		{"httpsig", "channel", false},
		{"sandbox/bank", "httpsig", true},
		{"channel/bankhttp", "wallet", false},
		{"channel/channeltest", "payment", true},
		{"payment", "channel/channeltest", false},
		{"app", "api", true},
		{"app", "sandbox", true},
		{"app", "sandbox/bank", true},
		{"api", "sandbox", false},
		{"sandbox", "sqldb", true},
		{"sandbox", "commit", false},
		{"sandbox/bank", "sandbox", true},
		{"sandbox", "sandbox/bank", true},
		{"app", "unheard", false},
		{"ledger", "moneybag", false},
	} {
		if why := refusal(test.from, test.to); (why == "") != test.may {
			t.Errorf("%s imports %s: %q", test.from, test.to, why)
		}
	}
}

// root returns the top of the checkout, where go.mod is.
func root(t *testing.T) string {
	t.Helper()
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(top, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return top
}

// walk calls visit for every file that people write, with its path from the root, slashes between.
func walk(t *testing.T, visit func(name string)) {
	t.Helper()
	made := []string{"bin", "var", "node_modules", "dist", "coverage", "testdata"}
	top := root(t)
	err := filepath.WalkDir(top, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := name != top && strings.HasPrefix(entry.Name(), ".")
		if entry.IsDir() && (hidden || slices.Contains(made, entry.Name())) {
			return filepath.SkipDir
		}
		if entry.Type().IsRegular() && !hidden {
			relative, err := filepath.Rel(top, name)
			if err != nil {
				return err
			}
			visit(filepath.ToSlash(relative))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
