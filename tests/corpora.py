"""Tiny corpora in the real ones' formats; every sentence written for these tests."""

from __future__ import annotations

import json
from pathlib import Path

PUBTATOR = """\
1|t|Aspirin and pain.
1|a|The patient takes aspirin; chest pain is gone.
1\t0\t7\tAspirin\tChemical\tD1
1\t12\t16\tpain\tDisease\tD2
1\t36\t43\taspirin\tChemical\tD1
1\t45\t55\tchest pain\tDisease\tD2
1\tCID\tD1\tD2

2|t|No fever.
2|a|Fever is a disease here.
2\t3\t8\tfever\tDisease\tD3
2\t10\t15\tFever\tDisease\tD3

"""
CASE = (
    "A 60-year-old man with prior gout had no pain.\n"
    "His mother had asthma. Aspirin was given, left leg and right arm. Ex-smoker."
)
CASE_MARKS = """\
T1\tAge 2 13\t60-year-old
T2\tSex 14 17\tman
T3\tHistory 23 33\tprior gout
T4\tDisease_disorder 29 33\tgout
T5\tSign_symptom 41 45\tpain
E1\tSign_symptom:T5
A1\tPOLARITY E1 NEG
T6\tFamily_history 47 68\tHis mother had asthma
T7\tDisease_disorder 62 68\tasthma
T8\tMedication 70 77\tAspirin
T9\tBiological_structure 89 93;108 111\tleft arm
T10\tSubject 51 57\tmother
T11\tDisease_disorder 62 67\tasthm
T12\tHistory 113 122\tEx-smoker
"""
EVENTS = [
    {
        "id": "77_1",
        "context": "Warfarin may cause severe bleeding in a man.",
        "annotations": [
            {
                "events": [
                    {
                        "event_type": "Adverse_event",
                        "Treatment": {"text": [["Warfarin"]], "start": [[0]],
                                      "Drug": {"text": [["Warfarin"]], "start": [[0]]}},
                        "Effect": {"text": [["bleeding"]], "start": [[26]]},
                        "Subject": {"Gender": {"text": [["man"]], "start": [[40]]},
                                    "Age": {"text": [["in", "a"]], "start": [[35, 38]]}},
                        "Severity": {"text": [["severe"]], "start": [[19]], "value": "High"},
                        "Speculated": {"text": [["may"]], "start": [[9]], "value": True},
                    }
                ]
            }
        ],
    },
    {
        "id": "78_1",
        "context": "Gold never caused rash.",
        "annotations": [
            {"events": [{"Effect": {"text": [["rash"]], "start": [[18]]}, "Negated": {"value": True}}]}
        ],
    },
]  # fmt: skip
NEGEX = """\
report_id\tconcept\tsentence\tnegation\ttemporality\texperiencer
1\tchest pain\tDenies CHEST  PAIN today.\tNegated\tRecent\tPatient
1\tgout\tGOUT in the past.\tAffirmed\tHistorical\tPatient
1\tchf\tPossible CHF, treated as CHF.\tAffirmed\tRecent\tOther
2\tfever\tReturn for FEVER.\tAffirmed\tNot particular\tPatient
2\tabsent concept\tNothing of it here.\tAffirmed\tRecent\tPatient
"""


def data_root(root: Path) -> Path:
    """A data folder that has every corpus and vocabulary, each a few lines long."""
    files = {
        "bc5cdr/train.pubtator.txt": PUBTATOR,
        "bc5cdr/dev.pubtator.txt": PUBTATOR.replace("1|", "3|").replace("1\t", "3\t").replace("2|", "4|"),
        "ncbi-disease/train.pubtator.txt": (
            "5|t|Gout.\n5|a|Gout hurts.\n5\t0\t4\tGout\tSpecificDisease\tD4\n\n"
        ),
        "ncbi-disease/devel.pubtator.txt": "6|t|Mild gout.\n6|a|Yes.\n6\t5\t9\tgout\tModifier\tD4\n\n",
        "maccrobat/brat/9.txt": CASE,
        "maccrobat/brat/9.ann": CASE_MARKS,
        "phee/train.jsonl": "".join(json.dumps(event) + "\n" for event in EVENTS),
        "phee/dev.jsonl": "",
        "negex/annotations.tsv": NEGEX,
        "drugbank-vocabulary/drugbank_vocabulary.csv": (
            "DrugBank ID,Common name,CAS,UNII,Synonyms\n"
            'DB1,Aspirin,,,"Acetylsalicylic acid | ASA | [2-x] odd"\nDB2,Warfarin,,,\n'
        ),
        "disease-ontology/doid.tsv": (
            "id\tname\texact_synonyms\tother_synonyms\tis_a\txrefs\nD\tgout\tpodagra|gouty  arthritis\t\t\t\n"
        ),
        "icd10cm/icd10cm2019.tsv": "code\tbillable\tdescription\nA\t1\tCholera\nB\t1\tCholera, unspecified\n",
        "icd10cm/categories.tsv": "category\tname\tsub_chapter\tchapter\nC\tTyphoid fever\tx\ty\n",
    }
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root
