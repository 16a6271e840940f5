# The same kind of file in HCL: blocks, a text over several lines, and one text used twice.
#   MODEL_URL=http://localhost:11434/v1 MODEL_NAME=llama3.2 docker-agent serve chat examples/reviewers.hcl
version = "12"

provider "mine" {
  api_type = "openai_chatcompletions"
  base_url = "$${env.MODEL_URL}"
}

model "main" {
  provider    = "mine"
  model       = "$${env.MODEL_NAME}"
  temperature = 0.2
}

agent "root" {
  model       = "main"
  description = "Collects two reviews of a text."
  sub_agents  = ["grammar", "style"]
  instruction = <<-EOT
    Ask both of your colleagues for a review of the text.
    Then answer with one list: the most important remark first.
  EOT
}

agent "grammar" {
  model       = "main"
  description = "Finds mistakes in a text."
  instruction = file("prompts/review.md", { what = "grammar and spelling", most = 5 })
}

agent "style" {
  model       = "main"
  description = "Finds what reads badly in a text."
  instruction = file("prompts/review.md", { what = "style", most = 3 })
}
