package limit

import (
	"fmt"
	"strings"

	"github.com/feiqian/feiqian/internal/money"
)

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
		b.WriteString("| rule 规则 | what is capped 限制内容 | most 限额 | per 周期 | class 类别 | counts 计入 | factors 要素 | source, in force from 来源、生效 | what lifts it 如何提高 |\n")
		b.WriteString("|---|---|--:|---|---|---|---|---|---|\n")
		for i := range p.Rules {
			b.WriteString(p.Rules[i].line())
		}
	}
	return b.String(), nil
}

const documentHead = `<!-- Made by ` + "`make generate`" + ` from internal/limit/presets; do not edit. -->

# Limits · 限额

What a payer may pay from the balance. The setting ` + "`jurisdiction`" + ` chooses one of these presets; staff can tighten a rule and never
loosen it beyond the figure here (see [operating](operating.md#limits)). A figure of 0 means not at all, – that the operator sets one or none.
Days and years are those of the setting ` + "`zone`" + `. Payments count when they are made and refunds give nothing back; a withdrawal or top-up that the
bank refuses is given back. The figures summarize the sources for software and are no legal advice.

付款人可以从余额支付多少。设置项 ` + "`jurisdiction`" + ` 选定其中一套规则；工作人员只能收紧，不能放宽到超过此处的数额。数额 0 表示完全不允许，
– 表示由运营方设定或不设。日、年按设置项 ` + "`zone`" + ` 的时区划分。付款在完成时计入，退款不恢复额度；银行拒绝的提现或充值会恢复额度。
以上是为软件设计所作的摘要，不构成法律意见。

` + "`one_factor`" + `: fewer than two kinds of proof, such as a payment code 不足两类要素. ` + "`two_factors`" + `: the payment PIN on a bound device
两类以上要素. ` + "`signed`" + `: two kinds with a certificate or e-signature over the payment 含数字证书或电子签名.
`

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
