//! What common regimes ask that a decision log may help to show. It is no legal advice, and nothing here says that anybody complies.

/// Something that is asked for.
pub(super) struct Demand {
    pub(super) regime: &'static str,
    pub(super) clause: &'static str,
    pub(super) asks: &'static str,
    /// What of this it supports evidence for.
    pub(super) supports: &'static str,
    pub(super) not: &'static str,
}

/// What has to be said with it.
pub(super) const DISCLAIMER: &str = "This table says for which demands this report supports evidence, and for which parts of them it does not. It is no legal advice and no statement of compliance; clauses are named in short, and their own texts count.";

/// Clauses are named where their texts are public; of standards whose controls are licensed or differ between editions only the domain is.
pub(super) const DEMANDS: [Demand; 9] = [
    Demand {
        regime: "GDPR (EU) 2016/679",
        clause: "Art. 5(1)(c), (e)",
        asks: "data minimisation; storage no longer than necessary",
        supports: "which identities stand in the log under a pseudonym, and the age of its earliest record",
        not: "whether the purpose needs the log, and for how long",
    },
    Demand {
        regime: "GDPR (EU) 2016/679",
        clause: "Art. 5(1)(f), 5(2)",
        asks: "integrity and confidentiality; being able to demonstrate it",
        supports: "who was let in to what and by which rule, who was refused and why, and, where signatures were checked, that the record of it was not altered",
        not: "access that does not go through the proxies",
    },
    Demand {
        regime: "GDPR (EU) 2016/679",
        clause: "Art. 30",
        asks: "a record of processing activities, with time limits and a description of security measures",
        supports: "the description of the measures in it, by what they did",
        not: "it is not that record",
    },
    Demand {
        regime: "GDPR (EU) 2016/679",
        clause: "Art. 32(1)(a), (b), (d)",
        asks: "pseudonymisation; ongoing confidentiality and integrity; regular testing of measures",
        supports: "pseudonymisation in the log, and access control at work, day by day",
        not: "encryption, resilience and everything behind the proxies",
    },
    Demand {
        regime: "UAE PDPL, Federal Decree-Law 45 of 2021",
        clause: "Art. 5, Art. 7",
        asks: "controls of processing; general obligations of the controller",
        supports: "which access there was to what processes personal data, if it goes through the proxies",
        not: "the controller's record of personal data, its purposes and its transfers",
    },
    Demand {
        regime: "UAE PDPL, Federal Decree-Law 45 of 2021",
        clause: "Art. 20",
        asks: "security of personal data, with encryption and pseudonymisation",
        supports: "pseudonymisation in the log, and the confidentiality that access control gives",
        not: "encryption and recovery",
    },
    Demand {
        regime: "UAE Information Assurance (formerly NESA)",
        clause: "T3 Operations Management",
        asks: "logs of what users do, kept for a time that was decided, and protected",
        supports: "access records with identity, and alterations that show, by chain and signatures",
        not: "logs of administrators, of systems and of other applications",
    },
    Demand {
        regime: "UAE Information Assurance (formerly NESA)",
        clause: "T5 Access Control",
        asks: "access by policy, and only for those who are authorised",
        supports: "each decision with its rule and the revision of the policy",
        not: "how accounts and privileges are given and reviewed",
    },
    Demand {
        regime: "ADHICS (Department of Health, Abu Dhabi)",
        clause: "Access Control; Operations Management",
        asks: "controlled access to health information, and records of it that are protected and looked at",
        supports: "access records with identity, of which alterations show",
        not: "what a user does within an application, and who looks at the records",
    },
];
