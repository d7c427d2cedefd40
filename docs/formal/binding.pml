/* How an account and a customer are bound to a browser: the protocol without its cryptography.

   Two people, V (victim) and A (attacker), each with a browser, an account at the network (HV, HA), a contract at the
   bank (CV, CA) and a complaint of their own. Each complaint has a case, addressed to the account that wrote it, with a
   public link that everybody knows: the cases are named by their accounts here, HV and HA.

   What is taken for granted: codes, states and tokens are not guessed; a request at the network or at a provider is
   approved by a person as that person; what the provider answers is bound to the request (PKCE, nonce) and taken once.
   What is not: where requests, codes and the addresses that come back travel, and in whose browser they are opened.

   Each switch is one rule of the design, or one power of the attacker; docs/formal/README.md says how to set them. */

/* rules of the design: 1 keeps it */
#ifndef SECRET_LINK
#define SECRET_LINK 1   /* the link opens nothing (0: whoever has it is in the room) */
#endif
#ifndef TIED
#define TIED 1          /* what comes back is taken only by the browser that left */
#endif
#ifndef BURNED
#define BURNED 1        /* what came back to another browser is over, for its owner too */
#endif
#ifndef PER_BROWSER
#define PER_BROWSER 1   /* proofs count for the attempt of the browser that gave them (0: for the case) */
#endif
#ifndef ADDRESSED
#define ADDRESSED 1     /* only the account that the case is addressed to gets past the first step */
#endif
#ifndef LOOKS
#define LOOKS 1         /* the confirmation names the account, and its reader looks */
#endif
#ifndef LEVELS
#define LEVELS 1        /* below level 3 nothing that the bank holds is shown */
#endif
#ifndef PAIRED
#define PAIRED 1        /* a room belongs to account and customer (0: to the account) */
#endif
#ifndef SAME_CUSTOMER
#define SAME_CUSTOMER 1 /* a step-up, and an unlock, must name the bound customer */
#endif
#ifndef CODES_LOW
#define CODES_LOW 1     /* a typed code is worth level 2, in unlocking too */
#endif
#ifndef LISTED_RIGHTLY
#define LISTED_RIGHTLY 1 /* a provider that asks on a second device counts as level 2 */
#endif
#ifndef WALLET_CODE
#define WALLET_CODE 1   /* what a wallet has posted counts with the code that it gave to the browser on its own device */
#endif
#ifndef KEYS_TIED
#define KEYS_TIED 1     /* a passkey proves the pair that it was made for, and raises no other room */
#endif
#ifndef KEYS_ADDRESSED
#define KEYS_ADDRESSED 1 /* it brings back from links of its own account only */
#endif
#ifndef KEYS_PLACED
#define KEYS_PLACED 1   /* its answer counts only for the page that it was asked on */
#endif

/* what the bank offers: 1 offers it */
#ifndef SIGN_IN
#define SIGN_IN 1       /* the account proved by sign-in at the network */
#endif
#ifndef MESSAGES
#define MESSAGES 1      /* the account proved by a code in a direct message */
#endif
#ifndef TYPED
#define TYPED 1         /* the customer proved by a typed code */
#endif
#ifndef REDIRECT
#define REDIRECT 1      /* the customer proved at a provider, in the same browser */
#endif
#ifndef PUSHED
#define PUSHED 1        /* the customer proved by approving on a second device */
#endif
#ifndef WALLET
#define WALLET 1        /* the customer proved by a wallet, which posts its answer behind the browser's back */
#endif
#ifndef PASSKEY
#define PASSKEY 1       /* made in a room at level 3; proves the customer, brings back, unlocks, steps up */
#endif

/* powers of the attacker: 0 denies it */
#ifndef RELAYED
#define RELAYED 0       /* V types her codes into his page, approves what her telephone asks, pastes what came back */
#endif
#ifndef HIJACKED
#define HIJACKED 0      /* he signs in as HV, and reads its messages */
#endif
#ifndef REQUEST_SEEN
#define REQUEST_SEEN 0  /* he reads her authorization request while it is open */
#endif
#ifndef RESPONSE_SEEN
#define RESPONSE_SEEN 0 /* he gets what came back before her browser opens it */
#endif

#define V 0
#define A 1
#define HV 1
#define HA 2
#define CV 1
#define CA 2
#define OTHER(b) (1 - b)
#define HANDLE_OF(p) (p + 1)
#define CUSTOMER_OF(p) (p + 1)
#define CODE_WORTH (CODES_LOW -> 2 : 3)
#define PUSH_WORTH (LISTED_RIGHTLY -> 2 : 3)

mtype = { away, started, handled, proved, inside };       /* where a browser stands */
mtype = { nothing, request, message, code_cv, code_ca };  /* what it waits for: the newest alone counts */

mtype at[2] = away;
mtype asked[2] = nothing;
byte link[2];      /* the case that it came by */
byte handle[2];    /* what was proved in it, or stands behind its room */
byte customer[2];
byte level[2];
bool locked[2];
bool told[3];      /* by account: its rooms hold what an agent said of CV at level 3 */
byte key_handle[2];   /* by person: the pair that the passkey on their device was made for */
byte key_customer[2];

#define SEES(b) (at[b] == inside && !locked[b] && told[handle[b]] && (customer[b] == CV || !PAIRED) && (level[b] >= 3 || !LEVELS))

/* A never sees what the bank holds of V */
ltl secret { [] (!SEES(A)) }
/* not even in the room of her account, if he comes with his own contract */
ltl own { [] (!(SEES(A) && customer[A] == CA)) }
/* nobody but V answers as HV, or in the case that is addressed to HV */
ltl right { [] (!(at[A] == inside && (handle[A] == HV || link[A] == HV))) }
/* V is never inside something of A's */
ltl mine { [] (!(at[V] == inside && (handle[V] != HV || customer[V] != CV))) }

inline forget(b) {
  at[b] = away; asked[b] = nothing; link[b] = 0; handle[b] = 0; customer[b] = 0; level[b] = 0; locked[b] = false
}

/* One browser at a time: who comes in puts out who is in the same room. */
inline enter(b) {
  if
  :: at[OTHER(b)] == inside && handle[OTHER(b)] == handle[b] && (!PAIRED || customer[OTHER(b)] == customer[b]) -> forget(OTHER(b))
  :: else
  fi;
  at[b] = inside; asked[b] = nothing; locked[b] = false
}

/* The answer to a cookie goes to the browser that asked: with a foreign state that is not its own place. */
inline hand_over(b, o) {
  at[o] = inside; asked[o] = nothing; link[o] = link[b]; handle[o] = handle[b]; customer[o] = customer[b];
  level[o] = level[b]; locked[o] = false;
  forget(b)
}

/* The request of browser b comes back in browser o, approved as account h and as customer c. */
inline back(b, o, h, c) {
  if
  :: asked[b] != request
  :: asked[b] == request && TIED && o != b ->
     if
     :: BURNED -> asked[b] = nothing
     :: else
     fi
  :: asked[b] == request && !(TIED && o != b) ->
     asked[b] = nothing;
     if
     :: at[b] == started && ADDRESSED && h != link[b] -> forget(b)
     :: at[b] == started && !(ADDRESSED && h != link[b]) -> handle[b] = h; at[b] = handled
     :: at[b] == handled -> customer[b] = c; level[b] = 3; at[b] = proved
     :: at[b] == inside && SAME_CUSTOMER && c != customer[b]
     :: at[b] == inside && !(SAME_CUSTOMER && c != customer[b]) ->
        level[b] = 3; locked[b] = false;
        if
        :: o != b -> hand_over(b, o)
        :: else
        fi
     fi
  fi
}

/* A code typed right, in a browser that stands before it. */
inline typed(b) {
  if
  :: asked[b] == message -> handle[b] = link[b]; at[b] = handled
  :: asked[b] != message && at[b] == handled ->
     customer[b] = (asked[b] == code_cv -> CV : CA); level[b] = CODE_WORTH; at[b] = proved
  :: asked[b] != message && at[b] == inside -> level[b] = CODE_WORTH; locked[b] = false
  fi;
  asked[b] = nothing
}

/* The passkey of person p answers in browser b: it brings back, proves the customer, or raises the room. */
inline tap(b, p) {
  if
  :: at[b] == started && (key_handle[p] == link[b] || !KEYS_ADDRESSED) ->
     handle[b] = key_handle[p]; customer[b] = key_customer[p]; level[b] = 3; enter(b)
  :: at[b] == handled && key_handle[p] == handle[b] -> customer[b] = key_customer[p]; level[b] = 3; asked[b] = nothing; at[b] = proved
  :: at[b] == inside && (!KEYS_TIED || (key_handle[p] == handle[b] && key_customer[p] == customer[b])) ->
     level[b] = 3; locked[b] = false; asked[b] = nothing
  :: else
  fi
}

/* What both may do. */
inline anybody(b) {
  if
  :: at[b] == started && SIGN_IN -> asked[b] = request
  :: at[b] == started && MESSAGES -> asked[b] = message
  :: at[b] == handled && (REDIRECT || WALLET) -> asked[b] = request
  :: at[b] == handled && PUSHED -> d_step { customer[b] = CUSTOMER_OF(b); level[b] = PUSH_WORTH; asked[b] = nothing; at[b] = proved }
  :: at[b] == inside && (REDIRECT || WALLET) -> asked[b] = request
  :: at[b] == inside && locked[b] && TYPED -> asked[b] = (customer[b] == CV -> code_cv : code_ca)
  :: at[b] == inside && !locked[b] -> d_step { locked[b] = true; asked[b] = nothing }
  :: PASSKEY && at[b] == inside && !locked[b] && level[b] >= 3 -> d_step { key_handle[b] = handle[b]; key_customer[b] = customer[b] }
  :: PASSKEY && key_handle[b] != 0 -> d_step { tap(b, b) }
  :: at[b] != away -> d_step { forget(b) }  /* leaves, begins again, is too late, or is revoked */
  fi
}

active proctype world() {
  do
  /* V: her own case, or his, whose link he has sent her */
  :: at[V] == away -> d_step { at[V] = started; link[V] = HV }
  :: at[V] == away -> d_step { at[V] = started; link[V] = HA }
  :: at[V] != away -> anybody(V)
  :: at[V] == handled && TYPED -> asked[V] = code_cv
  /* a message to HV is hers; one to HA he may send on to her */
  :: asked[V] == message || asked[V] == code_cv -> d_step { typed(V) }
  :: at[V] == proved && (!LOOKS || handle[V] == HV) -> d_step { enter(V) }
  /* she approves: her own request, or one that he sent her; her browser opens what comes back */
  :: asked[V] == request -> d_step { back(V, V, HV, CV) }
  :: asked[A] == request -> d_step { back(A, V, HV, CV) }
  /* and pastes it into his page */
  :: asked[A] == request && RELAYED -> d_step { back(A, V, HV, CV); back(A, A, HV, CV) }
  /* her wallet has answered his request, and he comes back before her browser does, without its code */
  :: asked[A] == request && at[A] != started && WALLET && !WALLET_CODE -> d_step { back(A, A, HV, CV) }
  :: asked[A] == request && RESPONSE_SEEN -> d_step { back(A, A, HV, CV) }

  /* A: either case */
  :: at[A] == away -> d_step { at[A] = started; link[A] = HA }
  :: at[A] == away -> d_step { at[A] = started; link[A] = HV }
  :: at[A] != away -> anybody(A)
  :: at[A] == handled && TYPED -> asked[A] = code_ca
  :: at[A] == handled && TYPED -> asked[A] = code_cv
  :: at[A] == handled && PUSHED && RELAYED -> d_step { customer[A] = CV; level[A] = PUSH_WORTH; asked[A] = nothing; at[A] = proved }
  :: asked[A] == message && (link[A] == HA || RELAYED || HIJACKED) -> d_step { typed(A) }
  :: asked[A] == code_ca || (asked[A] == code_cv && RELAYED) -> d_step { typed(A) }
  :: at[A] == proved -> d_step { enter(A) }
  /* he approves as himself, or with her account, and opens what comes back or sends it to her */
  :: asked[A] == request -> d_step { back(A, A, HA, CA) }
  :: asked[A] == request && HIJACKED -> d_step { back(A, A, HV, CA) }
  :: asked[A] == request -> d_step { back(A, V, HA, CA) }
  /* her request, which she pasted into his page, or which he read */
  :: asked[V] == request && (RELAYED || REQUEST_SEEN) -> d_step { back(V, A, HA, CA) }
  :: asked[V] == request && REQUEST_SEEN -> d_step { back(V, V, HA, CA) }
  /* she taps on his copy of our page */
  :: PASSKEY && RELAYED && !KEYS_PLACED && at[A] != away && key_handle[V] != 0 -> d_step { tap(A, V) }
  /* a link that opens: V's room is there once an agent has spoken in it */
  :: !SECRET_LINK && told[HV] -> d_step { forget(A); link[A] = HV; handle[A] = HV; customer[A] = CV; level[A] = 3; enter(A) }
  /* proofs that lie with the case */
  :: !PER_BROWSER && link[A] == link[V] && (at[V] == handled || at[V] == proved) && (at[A] == started || at[A] == handled) ->
     d_step { at[A] = at[V]; handle[A] = handle[V]; customer[A] = customer[V]; level[A] = level[V]; asked[A] = nothing }
  :: !PER_BROWSER && link[A] == link[V] && (at[A] == handled || at[A] == proved) && (at[V] == started || at[V] == handled) ->
     d_step { at[V] = at[A]; handle[V] = handle[A]; customer[V] = customer[A]; level[V] = level[A]; asked[V] = nothing }

  /* an agent says what the bank holds of V, to whoever stands there as V at level 3 */
  :: at[V] == inside && !locked[V] && customer[V] == CV && level[V] >= 3 -> told[handle[V]] = true
  :: at[A] == inside && !locked[A] && customer[A] == CV && level[A] >= 3 -> told[handle[A]] = true
  /* V disowns every link to her contract, and what was made in its rooms */
  :: at[A] == inside && customer[A] == CV -> d_step {
       forget(A);
       if
       :: key_customer[A] == CV -> key_handle[A] = 0; key_customer[A] = 0
       :: else
       fi
     }
  od
}
