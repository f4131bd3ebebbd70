package ledger

import "github.com/feiqian/feiqian/internal/money"

// The reasons of the flows below.
const (
	ReasonTopUp              Reason = "top_up"
	ReasonArrival            Reason = "arrival"
	ReasonChannelCost        Reason = "channel_cost"
	ReasonPayment            Reason = "payment"
	ReasonFee                Reason = "fee"
	ReasonTransfer           Reason = "transfer"
	ReasonWithdrawal         Reason = "withdrawal"
	ReasonWithdrawalSent     Reason = "withdrawal_sent"
	ReasonWithdrawalPaid     Reason = "withdrawal_paid"
	ReasonWithdrawalReturned Reason = "withdrawal_returned"
	ReasonRefund             Reason = "refund"
	ReasonFeeReturn          Reason = "fee_return"
	ReasonRefundAdvance      Reason = "refund_advance"
	ReasonRefundPaid         Reason = "refund_paid"
	ReasonRefundReturned     Reason = "refund_returned"
	ReasonRelease            Reason = "release"
	ReasonSplit              Reason = "split"
	ReasonSplitReturn        Reason = "split_return"
)

// Flows writes the lines of every business event. Stripe is the node's part of the operator's
// accounts that each event touches (n00 … n15); it is summed away when they are read. docs/flows.md
// shows each flow as debits and credits; flows_test.go posts each of them.
type Flows struct{ Stripe string }

func wallet(code Code, currency money.Currency, owner string) AccountID {
	return Account(code, currency, owner)
}

func (f Flows) own(code Code, currency money.Currency) AccountID {
	return Account(code, currency, f.Stripe)
}

// channel names a channel's account: its owner is the channel, a dot and the stripe.
func (f Flows) channel(code Code, currency money.Currency, channel string) AccountID {
	return Account(code, currency, channel+"."+f.Stripe)
}

// TopUp credits a customer with money that a channel has taken from the bank account. Cost is what
// the channel charges us; it is ours and never taken from the client's money.
func (f Flows) TopUp(customer, channel string, amount, cost money.Amount) []Line {
	c := amount.Currency
	return []Line{
		{ReasonTopUp, f.channel(ChannelReceivable, c, channel), wallet(UserBalance, c, customer), amount},
		{ReasonChannelCost, f.own(ChannelCost, c), f.own(OwnPayables, c), cost},
	}
}

// Arrival moves what a channel owed us to the client reserve, when the bank's statement shows it.
func (f Flows) Arrival(channel string, amount money.Amount) []Line {
	c := amount.Currency
	return []Line{{ReasonArrival, f.own(ClientReserve, c), f.channel(ChannelReceivable, c, channel), amount}}
}

// Payment moves a payer's balance to the merchant, who bears the fee.
func (f Flows) Payment(customer, merchant string, amount, fee money.Amount) []Line {
	payer, payee := wallet(UserBalance, amount.Currency, customer), wallet(MerchantPending, amount.Currency, merchant)
	return f.payment(payer, payee, amount, fee)
}

// PaymentInCustody moves a payer's balance to where it waits for the merchant: until the payer has the goods, or until
// it is split. The fee is taken now.
func (f Flows) PaymentInCustody(customer, merchant string, amount, fee money.Amount) []Line {
	payer, payee := wallet(UserBalance, amount.Currency, customer), wallet(MerchantEscrow, amount.Currency, merchant)
	return f.payment(payer, payee, amount, fee)
}

// CardPayment credits a merchant, or inCustody what waits for the merchant, with money that a channel has taken from
// the payer's card. The merchant bears the fee, we what the channel charges.
func (f Flows) CardPayment(channel, merchant string, amount, fee, cost money.Amount, inCustody bool) []Line {
	c, to := amount.Currency, MerchantPending
	if inCustody {
		to = MerchantEscrow
	}
	lines := f.payment(f.channel(ChannelReceivable, c, channel), wallet(to, c, merchant), amount, fee)
	return append(lines, Line{ReasonChannelCost, f.own(ChannelCost, c), f.own(OwnPayables, c), cost})
}

func (f Flows) payment(payer, payee AccountID, amount, fee money.Amount) []Line {
	c := amount.Currency
	return []Line{
		{ReasonPayment, payer, payee, amount},
		{ReasonFee, payee, f.own(DueFromOwnFunds, c), fee},
		{ReasonFee, f.own(DueFromReserve, c), f.own(FeeIncome, c), fee},
	}
}

// Release gives the merchant what waited in custody.
func (f Flows) Release(merchant string, amount money.Amount) []Line {
	c := amount.Currency
	return []Line{{ReasonRelease, wallet(MerchantEscrow, c, merchant), wallet(MerchantPending, c, merchant), amount}}
}

// Split gives another merchant its part of a payment, out of the merchant's money or, inCustody, out of what waits.
func (f Flows) Split(merchant, receiver string, amount money.Amount, inCustody bool) []Line {
	c, from := amount.Currency, MerchantPending
	if inCustody {
		from = MerchantEscrow
	}
	return []Line{{ReasonSplit, wallet(from, c, merchant), wallet(MerchantPending, c, receiver), amount}}
}

// SplitReturn takes a receiver's part back, before the payer is refunded.
func (f Flows) SplitReturn(receiver, merchant string, amount money.Amount) []Line {
	c := amount.Currency
	return []Line{
		{ReasonSplitReturn, wallet(MerchantPending, c, receiver), wallet(MerchantPending, c, merchant), amount},
	}
}

// Transfer moves a balance from person to person.
func (f Flows) Transfer(payer, payee string, amount money.Amount) []Line {
	c := amount.Currency
	return []Line{{ReasonTransfer, wallet(UserBalance, c, payer), wallet(UserBalance, c, payee), amount}}
}

// Withdrawal sets a customer's money aside for a payout.
func (f Flows) Withdrawal(customer string, amount money.Amount) []Line {
	c := amount.Currency
	return []Line{{ReasonWithdrawal, wallet(UserBalance, c, customer), wallet(UserHold, c, customer), amount}}
}

// WithdrawalSent puts the payout in transit, before the bank is called. While the outcome is unknown
// the money stays there.
func (f Flows) WithdrawalSent(customer, channel string, amount money.Amount) []Line {
	c := amount.Currency
	return []Line{{ReasonWithdrawalSent, wallet(UserHold, c, customer), f.channel(PayoutsInTransit, c, channel), amount}}
}

// WithdrawalPaid takes a payout that the bank confirmed out of the client reserve.
func (f Flows) WithdrawalPaid(channel string, amount, cost money.Amount) []Line {
	c := amount.Currency
	return []Line{
		{ReasonWithdrawalPaid, f.channel(PayoutsInTransit, c, channel), f.own(ClientReserve, c), amount},
		{ReasonChannelCost, f.own(ChannelCost, c), f.own(OwnPayables, c), cost},
	}
}

// WithdrawalReturned gives the customer the money of a payout that the bank refused.
func (f Flows) WithdrawalReturned(customer, channel string, amount money.Amount) []Line {
	c := amount.Currency
	return []Line{
		{ReasonWithdrawalReturned, f.channel(PayoutsInTransit, c, channel), wallet(UserBalance, c, customer), amount},
	}
}

// Refund gives a payer back part of a payment, and the merchant its share of the fee. Advance is the
// part that the merchant's account can't cover; the operator lends it and the merchant owes it.
func (f Flows) Refund(customer, merchant string, amount, feeReturn, advance money.Amount) []Line {
	return f.refund(wallet(UserBalance, amount.Currency, customer), merchant, amount, feeReturn, advance)
}

// CardRefund puts a refund that goes back to a card in transit, as Refund to a balance; the channel is called after it.
func (f Flows) CardRefund(channel, merchant string, amount, feeReturn, advance money.Amount) []Line {
	return f.refund(f.channel(PayoutsInTransit, amount.Currency, channel), merchant, amount, feeReturn, advance)
}

// CardRefundPaid takes a refund that the channel confirmed out of the client reserve.
func (f Flows) CardRefundPaid(channel string, amount money.Amount) []Line {
	c := amount.Currency
	return []Line{{ReasonRefundPaid, f.channel(PayoutsInTransit, c, channel), f.own(ClientReserve, c), amount}}
}

// CardRefundReturned undoes a CardRefund that the channel refused: what was lent is repaid, the merchant has the rest
// again, and custody of it waits again.
func (f Flows) CardRefundReturned(channel, merchant string, amount, feeReturn, advance, custody money.Amount) []Line {
	c := amount.Currency
	transit, payee := f.channel(PayoutsInTransit, c, channel), wallet(MerchantPending, c, merchant)
	covered := money.Amount{Minor: amount.Minor - advance.Minor, Currency: c}
	return []Line{
		{ReasonRefundReturned, transit, payee, covered},
		{ReasonRefundReturned, transit, f.own(DueFromOwnFunds, c), advance},
		{ReasonRefundReturned, f.own(DueFromReserve, c), wallet(MerchantDebt, c, merchant), advance},
		{ReasonRefundReturned, payee, f.own(DueFromOwnFunds, c), feeReturn},
		{ReasonRefundReturned, f.own(DueFromReserve, c), f.own(FeeIncome, c), feeReturn},
		{ReasonRefundReturned, payee, wallet(MerchantEscrow, c, merchant), custody},
	}
}

func (f Flows) refund(payer AccountID, merchant string, amount, feeReturn, advance money.Amount) []Line {
	c := amount.Currency
	payee := wallet(MerchantPending, c, merchant)
	covered := money.Amount{Minor: amount.Minor - advance.Minor, Currency: c}
	return []Line{
		{ReasonFeeReturn, f.own(DueFromOwnFunds, c), payee, feeReturn},
		{ReasonFeeReturn, f.own(FeeIncome, c), f.own(DueFromReserve, c), feeReturn},
		{ReasonRefund, payee, payer, covered},
		{ReasonRefundAdvance, f.own(DueFromOwnFunds, c), payer, advance},
		{ReasonRefundAdvance, wallet(MerchantDebt, c, merchant), f.own(DueFromReserve, c), advance},
	}
}
