package limit

import (
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/money"
)

//go:embed presets/*.toml
var presets embed.FS

// Jurisdictions lists the presets there are.
func Jurisdictions() []string { return []string{"cn", "eu", "plain"} }

// ClassMax is the highest payment account class; the lowest is 0, not verified.
const ClassMax = 3

// Preset is the rules of one jurisdiction.
type Preset struct {
	Jurisdiction string `toml:"jurisdiction"`
	Title        Text   `toml:"title"`
	Rules        []Rule `toml:"rule"`
}

// ReadPreset returns the rules of a jurisdiction. Errors: no such preset, or one that contradicts itself; plain
// errors for the operator.
func ReadPreset(jurisdiction string) (Preset, error) {
	if !slices.Contains(Jurisdictions(), jurisdiction) {
		return Preset{}, fmt.Errorf("jurisdiction: %q is not known; write one of %s",
			jurisdiction, strings.Join(Jurisdictions(), ", "))
	}
	text, err := presets.ReadFile("presets/" + jurisdiction + ".toml")
	if err != nil {
		return Preset{}, fmt.Errorf("read the rules of %s: %w", jurisdiction, err)
	}
	return parsePreset(string(text))
}

// parsePreset reads a preset and fills in what empty lists stand for.
func parsePreset(text string) (Preset, error) {
	var p Preset
	meta, err := toml.Decode(text, &p)
	if err != nil {
		return Preset{}, fmt.Errorf("read the rules: %w", err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return Preset{}, fmt.Errorf("read the rules: nothing is named %s", unknown[0])
	}
	seen := map[string]bool{}
	for i := range p.Rules {
		r := &p.Rules[i]
		r.fill()
		if err := r.check(); err != nil {
			return Preset{}, fmt.Errorf("rule %s: %w", r.ID, err)
		}
		if seen[r.ID] || !strings.HasPrefix(r.ID, p.Jurisdiction+".") {
			return Preset{}, fmt.Errorf("rule %s: the id is there twice, or of another preset", r.ID)
		}
		seen[r.ID] = true
	}
	return p, nil
}

func (r *Rule) fill() {
	if len(r.Classes) == 0 {
		for class := range int64(ClassMax + 1) {
			r.Classes = append(r.Classes, class)
		}
	}
	if len(r.Methods) == 0 {
		r.Methods = Methods()
	}
	if len(r.Factors) == 0 {
		r.Factors = Strengths()
	}
}

func (r *Rule) check() error {
	_, dateErr := clock.ParseDate(string(r.EffectiveOn))
	if r.EndsOn != "" && dateErr == nil {
		_, dateErr = clock.ParseDate(string(r.EndsOn))
	}
	currency := r.Currency
	if currency == "" {
		currency = "CNY"
	}
	_, currencyErr := money.ParseCurrency(string(currency))
	switch {
	case r.ID == "" || r.Source == "" || r.Title.Chinese == "" || r.Title.English == "" ||
		r.Lifts.Chinese == "" || r.Lifts.English == "":
		return errors.New("id, source, title and lifts must be said")
	case !slices.Contains([]string{"class", "factors", "qr", "operator"}, r.Kind):
		return fmt.Errorf("kind %q is not known", r.Kind)
	case !slices.Contains([]Period{Transaction, Day, Year, Lifetime, SinceTwoFactors}, r.Period):
		return fmt.Errorf("period %q is not known", r.Period)
	case r.Minor != nil && (*r.Minor < 0 || *r.Minor > money.MaxMinor):
		return fmt.Errorf("an amount is 0 to %d minor units", money.MaxMinor)
	case r.Minor != nil && *r.Minor > 0 && r.Currency == "":
		return errors.New("an amount has a currency")
	case currencyErr != nil:
		return currencyErr
	case dateErr != nil:
		return dateErr
	}
	for _, class := range r.Classes {
		if class < 0 || class > ClassMax {
			return fmt.Errorf("class %d is not known", class)
		}
	}
	_, err := cellsOf(r.Methods, r.Factors)
	return err
}
