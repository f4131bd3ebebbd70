package checkout

import (
	"context"
	"slices"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/money"
)

// cardsMax is how many of a payer's cards are looked at; a customer has 20 at most that stand.
const cardsMax = 100

// cards pay by the payer's bound cards (快捷支付), the default one first.
func cards(ctx context.Context, c *Checkouts, v Visit) ([]Way, error) {
	if v.Customer == "" {
		return nil, nil
	}
	all, err := c.Cards.List(ctx, v.Customer, "", cardsMax)
	if err != nil {
		return nil, err
	}
	bound := slices.DeleteFunc(all, func(one card.Card) bool { return one.State != card.Bound })
	slices.SortStableFunc(bound, func(a, b card.Card) int {
		switch {
		case a.Default == b.Default:
			return 0
		case a.Default:
			return -1
		}
		return 1
	})
	if len(bound) == 0 {
		return nil, nil
	}
	today, err := c.Limits.Today(ctx, v.Customer, v.Amount.Currency)
	if err != nil {
		return nil, err
	}
	asked := auth.Asks(auth.Situation{
		Act: auth.ActPayment, Amount: v.Amount, Today: today, DeviceSince: v.DeviceSince, Now: c.Clock.Now(), ByCard: true,
	})
	how := limit.CardPayment
	if v.ByCode {
		how = limit.CardStaticCode
	}
	left, rule, err := c.left(ctx, v, how, asked.Need)
	if err != nil {
		return nil, err
	}
	ways := make([]Way, len(bound))
	for i := range bound {
		terms, err := c.Cards.Terms(ctx, v.Customer, bound[i].ID)
		if err != nil {
			return nil, err
		}
		ways[i] = cardWay(v, &bound[i], terms)
		ways[i].Factors = asked.Factors
		if rule != nil {
			ways[i].cap(v, left, rule)
		}
	}
	return ways, nil
}

// cardWay says what a card can pay within its agreement.
func cardWay(v Visit, c *card.Card, terms card.Terms) Way {
	kind := map[card.Type]limit.Text{
		card.Debit:   {Chinese: "储蓄卡", English: "debit card"},
		card.Credit:  {Chinese: "信用卡", English: "credit card"},
		card.Prepaid: {Chinese: "预付卡", English: "prepaid card"},
	}[c.Type]
	way := Way{
		Method: "card", Card: c.ID, Usable: true, effort: effortCard,
		Title: limit.Text{
			Chinese: c.IssuerZH + kind.Chinese + "（" + c.Last4 + "）", English: c.IssuerEN + " " + kind.English + " " + c.Last4,
		},
	}
	no := func(zh, en string) Way {
		way.Usable, way.Reason = false, limit.Text{Chinese: zh, English: en}
		return way
	}
	switch {
	case v.Manual:
		return no("商户稍后扣款，只能用余额", "the shop takes the money later: only the balance can pay")
	case terms.TransactionMax.Currency != v.Amount.Currency:
		return no("此卡不支付这种货币", "this card does not pay in this currency")
	case terms.State == card.AgreementSuspended:
		return no("快捷支付已暂停", "its agreement is suspended")
	case terms.State != card.AgreementActive:
		return no("快捷支付已终止，请重新绑卡", "its agreement has ended: bind it again")
	}
	can := min(terms.TransactionMax.Minor, terms.RemainingToday.Minor)
	way.Left = &can
	shown := symbol(v.Amount.Currency) + money.Amount{Minor: can, Currency: v.Amount.Currency}.Decimal()
	if can < v.Amount.Minor {
		return no("超过此卡限额，现可付 "+shown, "over the card's limits: it can pay "+shown+" now")
	}
	way.Reason = limit.Text{Chinese: "免手续费，今日还可付 " + shown, English: "free of charge; up to " + shown + " now"}
	return way
}

// cap lowers what can be paid to what a rule leaves.
func (w *Way) cap(v Visit, left int64, rule *limit.Remaining) {
	if w.Left != nil && left < *w.Left {
		w.Left = &left
	}
	if w.Usable && left < v.Amount.Minor {
		w.Usable, w.Reason = false, overLimit(rule)
	}
}

func overLimit(rule *limit.Remaining) limit.Text {
	return limit.Text{
		Chinese: "超过限额：" + rule.Title.Chinese + "。" + rule.Lifts.Chinese,
		English: "over a limit: " + rule.Title.English + "; " + rule.Lifts.English,
	}
}
