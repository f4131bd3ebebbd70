package payment_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/payment"
)

// TestDocument keeps the pictures in docs/payments.md equal to the tables of moves.
func TestDocument(t *testing.T) {
	t.Parallel()
	documents(t, "moves", "created", payment.States())
	documents(t, "refund moves", "", payment.RefundStates())
	documents(t, "dispute moves", "open", payment.DisputeStates())
}

type state[S any] interface {
	~string
	Move(to S) (S, error)
	Final() bool
}

// documents compares the picture between the marks of that name with a table of moves that begins with first.
func documents[S state[S]](t *testing.T, name string, first S, states []S) {
	t.Helper()
	var picture strings.Builder
	picture.WriteString("```mermaid\nstateDiagram-v2\n")
	from := states
	if first == "" {
		from = append([]S{""}, states...)
	} else {
		picture.WriteString("    [*] --> " + string(first) + "\n")
	}
	for _, from := range from {
		for _, to := range states {
			if _, err := from.Move(to); err == nil {
				shown := string(from)
				if from == "" {
					shown = "[*]"
				}
				picture.WriteString("    " + shown + " --> " + string(to) + "\n")
			}
		}
	}
	for _, end := range slices.DeleteFunc(slices.Clone(states), func(s S) bool { return !s.Final() }) {
		picture.WriteString("    " + string(end) + " --> [*]\n")
	}
	picture.WriteString("```\n")
	page, err := os.ReadFile("../../docs/payments.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "<!-- "+name+": begin -->\n")
	drawn, _, _ := strings.Cut(rest, "<!-- "+name+": end -->")
	if drawn != picture.String() {
		t.Errorf("docs/payments.md draws\n%s\nthe table is\n%s", drawn, picture.String())
	}
}
