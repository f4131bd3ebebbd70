package limit

import (
	_ "embed" // of documentHead
	"fmt"
	"strings"

	"github.com/feiqian/feiqian/internal/money"
)

//go:embed document.md
var documentHead string

//go:generate go run ./limitdoc ../../docs/limits.md

// Document returns the table of all presets' rules as Markdown, in both languages. It is docs/limits.md. Errors:
// those of ReadPreset.
func Document() (string, error) {
	var b strings.Builder
	b.WriteString(documentHead)
	for _, jurisdiction := range Jurisdictions() {
		p, err := ReadPreset(jurisdiction)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "\n## `%s`: %s · %s\n\n", p.Jurisdiction, p.Title.English, p.Title.Chinese)
		b.WriteString("| rule 规则 | what is capped 限制内容 | most 限额 | per 周期 | class 类别 | counts 计入 | factors 要素 " +
			"| source, in force from 来源、生效 | what lifts it 如何提高 |\n")
		b.WriteString("|---|---|--:|---|---|---|---|---|---|\n")
		for i := range p.Rules {
			b.WriteString(p.Rules[i].line())
		}
	}
	return b.String(), nil
}

func (r *Rule) line() string {
	most := "–"
	switch {
	case r.Minor != nil && *r.Minor == 0:
		most = "0"
	case r.Minor != nil:
		most = money.Amount{Minor: *r.Minor, Currency: r.Currency}.String()
	}
	classes := make([]string, len(r.Classes))
	for i, class := range r.Classes {
		classes[i] = string("0123"[class])
	}
	period := map[Period]string{
		Transaction: "payment 单笔", Day: "day 日", Year: "year 年", Lifetime: "lifetime 终身",
		SinceTwoFactors: "since two factors 自上次强认证",
	}[r.Period]
	return fmt.Sprintf("| `%s` | %s<br>%s | %s | %s | %s | %s | %s | %s, %s | %s<br>%s |\n",
		r.ID, r.Title.English, r.Title.Chinese, most, period,
		all(len(r.Classes) == ClassMax+1, strings.Join(classes, ", ")),
		all(len(r.Methods) == methodCount, list(r.Methods)),
		all(len(r.Factors) == strengthCount, list(r.Factors)),
		r.Source, r.EffectiveOn, r.Lifts.English, r.Lifts.Chinese)
}

func all(every bool, some string) string {
	if every {
		return "all 全部"
	}
	return some
}

func list[T ~string](names []T) string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = string(name)
	}
	return strings.Join(out, ", ")
}
